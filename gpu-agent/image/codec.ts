import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import sharp from "sharp";
import type { RasterShape, WrittenFile } from "./raster-shape.ts";

// libvips remembers what it read by path; here paths are written anew.
sharp.cache(false);

/** A plain raster to compress with libvips. */
export interface Compression {
  /** Path of the raster; JPEG and WebP take 8 bits, TIFF both. Its profile is passed on. */
  raster: string;
  shape: RasterShape;
  /** Path of the result. */
  out: string;
  format: "jpeg" | "webp" | "tiff";
  /** 1–100; not used for TIFF, which stays lossless. */
  quality: number;
  /** An XMP packet. */
  xmp: string;
}

/** Above this, JPEG's Huffman tables are the standard ones: fitting them holds the whole picture in memory. */
const fittedPixelsMax = 16_000_000;

/**
 * Compresses a raster by path, so that libvips streams it with bounded memory (WebP excepted: its encoder holds the
 * whole picture). Samples are not converted; JPEG keeps full colour resolution from quality 90.
 */
export async function compressRaster({
  raster,
  shape,
  out,
  format,
  quality,
  xmp,
}: Compression): Promise<WrittenFile> {
  const { width, height, channels, bits } = shape;
  const space = channels === 1 ? (bits === 8 ? "b-w" : "grey16") : bits === 8 ? "srgb" : "rgb16";
  // Rasters are under 4 GiB: that is the limit on pixels here.
  const picture = sharp(raster, { sequentialRead: true, limitInputPixels: false })
    .toColourspace(space)
    .keepIccProfile()
    .withXmp(xmp);
  if (format === "jpeg") {
    const chromaSubsampling = quality >= 90 ? "4:4:4" : "4:2:0";
    picture.jpeg({ quality, chromaSubsampling, optimiseCoding: width * height <= fittedPixelsMax });
  } else if (format === "webp") {
    picture.webp({ quality, smartSubsample: true });
  } else {
    picture.tiff({ compression: "deflate", predictor: "horizontal" });
  }
  await picture.toFile(out);
  return await hashFile(out);
}

/** Writes interleaved 8-bit RGB from memory as a JPEG of quality 90. */
export async function writeJpeg(
  path: string,
  data: Uint8Array | Uint8ClampedArray,
  { width, height }: { width: number; height: number },
): Promise<void> {
  await sharp(data, { raw: { width, height, channels: 3 } })
    // Fitted Huffman tables would save 2 % of the bytes and cost twice the time.
    .jpeg({ quality: 90, optimiseCoding: false })
    .toFile(path);
}

/** The bytes of an ICC profile of sRGB (the small one that libvips carries). */
export async function srgbProfile(): Promise<Uint8Array> {
  const pixel = sharp({ create: { width: 1, height: 1, channels: 3, background: "black" } });
  const { icc } = await sharp(await pixel.withIccProfile("srgb").png().toBuffer()).metadata();
  if (icc === undefined) throw new Error("libvips carries an sRGB profile");
  return icc;
}

async function hashFile(path: string): Promise<WrittenFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest("hex") };
}
