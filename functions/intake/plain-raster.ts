import { open } from "node:fs/promises";
import { invariant } from "#shared/domain/fault.ts";

/** An uncompressed TIFF as libvips has just written it: one block of interleaved samples from byte 8. */
export type PlainRaster = {
  path: string;
  width: number;
  height: number;
  channels: 1 | 3;
  bits: 8 | 16;
};

const firstByte = 8;
const chunkBytesMax = 1 << 20;

export function rasterBytes(raster: Omit<PlainRaster, "path">): number {
  return raster.width * raster.height * pixelBytes(raster);
}

/** The share of rows at the lower end that hold nothing but the colour of the last pixel: what a decoder fills up with. */
export async function flatShareAtEnd(raster: PlainRaster): Promise<number> {
  return Math.floor((await likePixelsAtEnd(raster)) / raster.width) / raster.height;
}

/** Whether all samples are at their largest: an alpha channel that says nothing. */
export async function isFull(raster: PlainRaster): Promise<boolean> {
  const full = Buffer.alloc(pixelBytes(raster), 0xff);
  return (await likePixelsAtEnd(raster, full)) === raster.width * raster.height;
}

/** Counts the pixels at the end that are like the given one, or like the last. */
async function likePixelsAtEnd(raster: PlainRaster, given?: Buffer): Promise<number> {
  await using file = await open(raster.path);
  const bytes = pixelBytes(raster);
  const pixels = raster.width * raster.height;
  const chunk = Buffer.alloc(Math.min(pixels, Math.floor(chunkBytesMax / bytes)) * bytes);
  let pixel = given;
  let wanted: Buffer | undefined;
  let like = 0;
  while (like < pixels) {
    const length = Math.min(chunk.length, (pixels - like) * bytes);
    const { bytesRead } = await file.read(chunk, 0, length, firstByte + (pixels - like) * bytes - length);
    invariant(bytesRead === length, "a raster is as long as its size says");
    pixel ??= Buffer.from(chunk.subarray(length - bytes, length));
    wanted ??= Buffer.alloc(chunk.length, pixel);
    if (!chunk.subarray(0, length).equals(wanted.subarray(0, length))) {
      let at = length;
      while (chunk.subarray(at - bytes, at).equals(pixel)) at -= bytes;
      return like + (length - at) / bytes;
    }
    like += length / bytes;
  }
  return like;
}

function pixelBytes(raster: Omit<PlainRaster, "path">): number {
  return raster.channels * (raster.bits / 8);
}
