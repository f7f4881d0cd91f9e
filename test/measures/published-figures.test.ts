import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { bicubic, resize } from "#agent/image/resample.ts";
import { lumaOf, type MemoryPicture } from "./memory-picture.ts";
import { psnr } from "./psnr.ts";
import { readPicture } from "./read-picture.ts";
import { ssim } from "./ssim.ts";

const benchmark = fileURLToPath(new URL("../../../shared/benchmark/", import.meta.url));

/**
 * What the papers work on: luma as 8-bit levels (a gray file's own levels), without the columns and rows that exceed a
 * multiple of `scale`.
 */
function lumaPicture(picture: MemoryPicture, scale: number): MemoryPicture {
  const luma = lumaOf(picture);
  const width = picture.width - (picture.width % scale);
  const height = picture.height - (picture.height % scale);
  const levels = Array.from(
    { length: width * height },
    (_, i) => luma[Math.floor(i / width) * picture.width + (i % width)]!,
  );
  return { data: asBytes(levels), width, height, channels: 1 };
}

const asBytes = (levels: ArrayLike<number>): Uint8Array => new Uint8Array(Uint8ClampedArray.from(levels));

/** Reduced and enlarged again, rounded at the end. */
function thereAndBack(picture: MemoryPicture, scale: number): MemoryPicture {
  const small = { width: picture.width / scale, height: picture.height / scale };
  const reduced = resize({ ...picture, data: Float32Array.from(picture.data) }, small, bicubic);
  return { ...picture, data: asBytes(resize(reduced, picture, bicubic).data) };
}

// "Bicubic" as it stands in the tables of the papers since A+ and SRCNN: Y alone, as many pixels left out as the scale.
test.skipIf(!existsSync(benchmark)).each([
  ["set5", 5, 2, 33.66, 0.9299],
  ["set5", 5, 3, 30.39, 0.8682],
  ["set5", 5, 4, 28.42, 0.8104],
  ["set14", 14, 4, 26.0, 0.7027],
] as const)(
  "bicubic on %s (%i pictures) at ×%i scores what the papers print (needs ../shared)",
  async (set, count, scale, dB, similarity) => {
    const scores = { psnr: 0, ssim: 0 };
    for (let number = 1; number <= count; number += 1) {
      const file = `${benchmark}${set}/img_${String(number).padStart(3, "0")}.png`;
      const truth = lumaPicture(await readPicture(file), scale);
      const enlarged = thereAndBack(truth, scale);
      scores.psnr += psnr(enlarged, truth, { borderPixels: scale }) / count;
      scores.ssim += ssim(enlarged, truth, { borderPixels: scale }) / count;
    }
    expect(Math.abs(scores.psnr - dB)).toBeLessThan(0.02);
    expect(Math.abs(scores.ssim - similarity)).toBeLessThan(0.001);
  },
);
