import { readFile } from "node:fs/promises";
import { endianness } from "node:os";
import type LibHeif from "libheif-js/wasm-bundle.js";
import { writePlainTiff } from "./plain-tiff.ts";

/** A file of a phone holds about 50 tiles, each coded by itself; this allows 100 megapixels in tiles of 160². */
const tilesMax = 4_096n;
/** All that libheif may hold at once, in bytes. */
const memoryMax = 1_000_000_000n;

/**
 * Unpacks the primary picture of a HEIC file to a plain TIFF, turned and mirrored as the file says (`irot`, `imir`), with
 * libheif and libde265 as WebAssembly. Pictures of more than 8 bits become 16. Whoever asks has read the header: here the
 * coded pictures are held to the same number of pixels, which may be other than what the header says.
 *
 * @throws Error with libheif's words.
 */
export async function unpackHeic(
  file: { path: string; pixelsMax: number; hasAlpha: boolean; bits: 8 | 16; icc: Uint8Array | undefined },
  path: string,
): Promise<void> {
  const { hasAlpha, bits, icc } = file;
  // About 160 ms: only for those files that need it.
  const { default: lib } = await import("libheif-js/wasm-bundle.js");
  setLimits(lib, file.pixelsMax);
  const context = lib.heif_context_alloc();
  const parsed = lib.heif_context_read_from_memory(context, await readFile(file.path));
  if (parsed.code !== lib.heif_error_code.heif_error_Ok) throw new Error(parsed.message);
  const handle = lib.heif_js_context_get_primary_image_handle(context);
  if ("code" in handle) throw new Error(handle.message);
  const pixels = lib.heif_image_handle_get_width(handle) * lib.heif_image_handle_get_height(handle);
  if (pixels > file.pixelsMax) throw new Error("pixel limit exceeded");
  const layout = bits === 16 ? (hasAlpha ? "RRGGBBAA_LE" : "RRGGBB_LE") : hasAlpha ? "RGBA" : "RGB";
  const chroma = lib.heif_chroma[`heif_chroma_interleaved_${layout}`];
  const decoded = lib.heif_js_decode_image2(handle, lib.heif_colorspace.heif_colorspace_RGB, chroma);
  if ("code" in decoded) throw new Error(decoded.message);
  const [picture] = decoded.channels;
  if (picture === undefined) throw new Error("a picture without channels");
  const { width, height } = picture;
  const channels = hasAlpha ? 4 : 3;
  const shape = { width, height, channels, bits, ...(icc === undefined ? {} : { icc }) } as const;
  await writePlainTiff(path, shape, (row, y) => {
    const source = picture.data.subarray(y * picture.stride, y * picture.stride + row.length);
    if (bits === 8) row.set(source);
    else widen(source, row, 65_535 / (2 ** picture.bits_per_pixel - 1));
  });
}

/** Samples of 10 or 12 bits, low byte first, to the full range of 16 bits in this machine's order. */
function widen(from: Uint8Array, into: Uint8Array, factor: number): void {
  const [low, high] = endianness() === "LE" ? [0, 1] : [1, 0];
  for (let at = 0; at < from.length; at += 2) {
    const sample = Math.round((from[at]! + 256 * from[at + 1]!) * factor);
    into[at + low] = sample & 255;
    into[at + high] = sample >> 8;
  }
}

/**
 * No function of the JavaScript interface takes limits: they are written to where the contexts take theirs from
 * (`heif_security_limits` of heif_security.h, versions 1 to 4; 64-bit fields at these offsets).
 */
function setLimits(lib: typeof LibHeif, pixelsMax: number): void {
  const at = lib["_heif_get_global_security_limits"]();
  const limits = new DataView(lib.HEAPU8.buffer, at);
  const fields: [offset: number, value: bigint][] = [
    [8, BigInt(pixelsMax)],
    [16, tilesMax],
    [40, memoryMax],
    [64, memoryMax],
  ];
  for (const [offset, value] of fields) limits.setBigUint64(offset, value, true);
}
