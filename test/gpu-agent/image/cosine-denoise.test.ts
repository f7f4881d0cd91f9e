import sharp from "sharp";
import { expect, test } from "vitest";
import { denoiseCosine } from "#agent/image/cosine-denoise.ts";
import { deblockJpeg } from "#agent/image/jpeg-deblock.ts";
import { shrinkBlocks } from "#agent/image/overlapped-blocks.ts";
import { normal } from "../../bench/quality/old-photo.ts";
import { seededRandom } from "./picture-fixture.ts";

const width = 48;
const height = 40;
const count = width * height;

/** Planes of soft shapes with one sharp edge. */
function motif(planes: number): Float32Array {
  return Float32Array.from({ length: planes * count }, (_, i) => {
    const x = i % width;
    const y = Math.floor((i % count) / width);
    const channel = Math.floor(i / count);
    return 0.4 + 0.15 * Math.sin(x / 9 + channel) + 0.1 * Math.cos(y / 7) + (x + y > 50 ? 0.2 : 0);
  });
}

const meanSquare = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length;

test("where no coefficient is small enough, the blocks give back what went in", () => {
  const random = seededRandom(3);
  const plane = Float32Array.from({ length: 19 * 11 }, random);
  const result = shrinkBlocks(plane, { width: 19, height: 11, limits: new Float32Array(64) });
  for (const [i, value] of result.entries()) expect(value).toBeCloseTo(plane[i]!, 5);
});

test("where all are, every pixel becomes a mean: what is constant stays and noise is averaged away", () => {
  const random = seededRandom(4);
  const limits = new Float32Array(64).fill(100);
  const noisy = Float32Array.from({ length: count }, () => 0.5 + 0.1 * normal(random));
  const smooth = shrinkBlocks(noisy, { width, height, limits });
  expect(meanSquare(smooth, new Float32Array(count).fill(0.5))).toBeLessThan(0.1 ** 2 / 50);
});

test("a pixel depends on nothing farther than seven away", () => {
  const limits = new Float32Array(64).fill(0.05);
  const plane = motif(1);
  const changed = plane.slice();
  const [x, y] = [24, 20];
  changed[y * width + x]! += 0.5;
  const before = shrinkBlocks(plane, { width, height, limits });
  const after = shrinkBlocks(changed, { width, height, limits });
  for (let i = 0; i < count; i += 1) {
    const isFar = Math.max(Math.abs((i % width) - x), Math.abs(Math.floor(i / width) - y)) > 7;
    if (isFar) expect(after[i]).toBe(before[i]);
  }
  expect(after[y * width + x]).not.toBe(before[y * width + x]);
});

test("white noise of a known level loses three quarters of its power and more, the motif stays", () => {
  const random = seededRandom(5);
  const truth = motif(3);
  const sigma = 15 / 255;
  const noisy = truth.map((level) => level + sigma * normal(random));
  const clean = denoiseCosine(noisy, { width, height, sigma });
  expect(meanSquare(noisy, truth)).toBeGreaterThan(0.9 * sigma ** 2);
  expect(meanSquare(clean, truth)).toBeLessThan(0.25 * sigma ** 2);
});

test("at level 0 nothing is denoised", () => {
  const truth = motif(3);
  const result = denoiseCosine(truth, { width, height, sigma: 0 });
  for (const [i, value] of result.entries()) expect(value).toBeCloseTo(truth[i]!, 5);
});

test("what JPEG did is undone in part, and a good file is hardly touched", async () => {
  const truth = motif(1);
  const gainAt = async (quality: number): Promise<number> => {
    const saved = await savedAsJpeg(truth, quality);
    const smooth = deblockJpeg(saved, { width, height, quality });
    return 10 * Math.log10(meanSquare(saved, truth) / meanSquare(smooth, truth));
  };
  expect(await gainAt(10)).toBeGreaterThan(0.5);
  expect(await gainAt(40)).toBeGreaterThan(0.5);
  const good = deblockJpeg(truth, { width, height, quality: 100 });
  for (const [i, level] of good.entries()) expect(Math.abs(level - truth[i]!)).toBeLessThan(1 / 255);
});

async function savedAsJpeg(luma: Float32Array, quality: number): Promise<Float32Array> {
  const levels = Uint8Array.from(luma, (level) => Math.round(255 * Math.min(1, Math.max(0, level))));
  const file = await sharp(levels, { raw: { width, height, channels: 1 } })
    .jpeg({ quality })
    .toBuffer();
  const { data } = await sharp(file).toColourspace("b-w").raw().toBuffer({ resolveWithObject: true });
  return Float32Array.from(data, (level) => level / 255);
}

test("a quality that no file has is a bug, and so is a plane without room for a block", () => {
  const plane = new Float32Array(64);
  expect(() => deblockJpeg(plane, { width: 8, height: 8, quality: 0 })).toThrow(/quality/);
  expect(() => deblockJpeg(plane, { width: 16, height: 4, quality: 50 })).toThrow(/block/);
});
