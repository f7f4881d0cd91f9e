/** The part of libheif's JavaScript interface that is used; the package's own declarations leave most of it out. */
declare module "libheif-js/wasm-bundle.js" {
  type HeifError = { code: unknown; message: string };
  /** Samples lie in libheif's own memory: they are gone at the next call. */
  type HeifPicture = {
    channels: { width: number; height: number; stride: number; bits_per_pixel: number; data: Uint8Array }[];
  };
  const lib: {
    HEAPU8: Uint8Array;
    _heif_get_global_security_limits(): number;
    heif_chroma: Record<`heif_chroma_interleaved_${"RGB" | "RGBA" | "RRGGBB_LE" | "RRGGBBAA_LE"}`, unknown>;
    heif_colorspace: { heif_colorspace_RGB: unknown };
    heif_error_code: { heif_error_Ok: unknown };
    heif_context_alloc(): object;
    heif_context_read_from_memory(context: object, bytes: Uint8Array): HeifError;
    heif_js_context_get_primary_image_handle(context: object): object | HeifError;
    heif_image_handle_get_width(handle: object): number;
    heif_image_handle_get_height(handle: object): number;
    heif_js_decode_image2(handle: object, colours: unknown, chroma: unknown): HeifPicture | HeifError;
  };
  export = lib;
}
