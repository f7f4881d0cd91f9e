import { rm } from "node:fs/promises";
import { Fault } from "#shared/domain/fault.ts";
import { decodePicture, writeJpeg } from "./codec.ts";
import { openRaster, type RasterReader } from "./raster.ts";
import type { RasterShape, RowSource } from "./raster-shape.ts";
import { bicubic } from "./resample.ts";
import { resizedSource } from "./resized-source.ts";
import { narrowedSource } from "./row-source.ts";

/** Two states of one picture to set side by side. */
export interface ComparisonRequest {
  /** Path of the picture as it came: a raster or any encoded picture. */
  before: string;
  /** Path of the picture as it left, likewise. */
  after: string;
  /** Path of the JPEG; `<out>.before` and `<out>.after` beside it are used meanwhile. */
  out: string;
  /** The longest side of the JPEG; 2048 by default. */
  maxSidePixels?: number;
}

/** Width of the white line between the halves. */
const dividerPixels = 4;

/**
 * Writes a JPEG for people: before on the left, after on the right, both at the same size, a white line between them.
 * The size is the after's, reduced to fit; the before is brought to it by our own bicubic, so that both lie on the
 * same grid. Throws what opening and decoding the two pictures throws.
 */
export async function writeComparison(
  request: ComparisonRequest,
): Promise<{ width: number; height: number }> {
  const { out, maxSidePixels = 2048 } = request;
  try {
    await using before = await openPicture(request.before, `${out}.before`);
    await using after = await openPicture(request.after, `${out}.after`);
    const half = fittingHalf(after.shape, maxSidePixels);
    const width = 2 * half.width + dividerPixels;
    const canvas = new Uint8Array(width * half.height * 3).fill(255);
    await draw(resizedSource(before, half, bicubic), canvas, { left: 0, width });
    await draw(resizedSource(after, half, bicubic), canvas, { left: half.width + dividerPixels, width });
    await writeJpeg(out, canvas, { width, height: half.height });
    return { width, height: half.height };
  } finally {
    await rm(`${out}.before`, { force: true });
    await rm(`${out}.after`, { force: true });
  }
}

/** The largest size of a half, at most the picture's own, with which the whole fits. */
function fittingHalf({ width, height }: RasterShape, sideMax: number): { width: number; height: number } {
  const scale = Math.min(1, (sideMax - dividerPixels) / (2 * width), sideMax / height);
  return { width: Math.max(1, Math.floor(width * scale)), height: Math.max(1, Math.floor(height * scale)) };
}

/** Opens a raster as it is, and anything else by way of one at `scratch`. */
async function openPicture(path: string, scratch: string): Promise<RasterReader> {
  try {
    return await openRaster(path);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    await decodePicture(path, scratch);
    return await openRaster(scratch);
  }
}

/** Draws a gray or RGB picture onto an RGB canvas `width` pixels wide. */
async function draw(
  source: RowSource,
  canvas: Uint8Array,
  { left, width }: { left: number; width: number },
): Promise<void> {
  const rows = narrowedSource(source);
  const { channels } = rows.shape;
  for (let y = 0; y < rows.shape.height; y += 1) {
    const row = await rows.readRows(y, 1);
    for (let x = 0; x < rows.shape.width; x += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        canvas[(y * width + left + x) * 3 + channel] = row[x * channels + (channels === 1 ? 0 : channel)]!;
      }
    }
  }
}
