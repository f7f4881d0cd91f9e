import { expect, test } from "vitest";
import { drawnPair } from "./drawn-pair.ts";
import type { MemoryPicture } from "./memory-picture.ts";
import { msSsim } from "./ms-ssim.ts";
import { psnr } from "./psnr.ts";
import { ssim } from "./ssim.ts";

/*
 * The figures come from scikit-image 0.26.0 on the drawn pairs (NumPy 2.4.6):
 *
 *   import numpy as np
 *   from skimage.metrics import peak_signal_noise_ratio, structural_similarity
 *   y, x, c = np.mgrid[:h, :w, :3]
 *   truth = ((x * 3 + y * 2 + c * 40 + ((x >> 3) + (y >> 3)) % 2 * 60) % 256).astype(float)
 *   damaged = np.clip(truth + ((x * 7 + y * 13 + c * 5 + x * y) % 23 - 11) * strength, 0, 255)
 *   luma = lambda p: 16 + (p @ [65.481, 128.553, 24.966]) / 255
 *   wang = dict(data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
 *   structural_similarity(luma(truth), luma(damaged), **wang)
 *   structural_similarity(truth, damaged, channel_axis=2, **wang)
 *   peak_signal_noise_ratio(truth, damaged, data_range=255)
 *
 * It has no MS-SSIM: those are from the formulas of the paper over SciPy 1.17.1's `convolve2d(…, mode="valid")`.
 */
test.each([
  { w: 48, h: 40, strength: 1, y: 0.978971, rgb: 0.967731, dB: 31.7924, dBY: 36.8249 },
  { w: 48, h: 40, strength: 4, y: 0.780016, rgb: 0.708232, dB: 20.0013, dBY: 25.0436 },
  { w: 11, h: 13, strength: 2, y: 0.949981, rgb: 0.877719, dB: 25.7796, dBY: 30.9063 },
])("SSIM and PSNR of $w × $h agree with scikit-image", ({ w, h, strength, y, rgb, dB, dBY }) => {
  const { truth, damaged } = drawnPair(w, h, strength);
  expect(ssim(truth, damaged)).toBeCloseTo(y, 5);
  expect(ssim(truth, damaged, { over: "rgb" })).toBeCloseTo(rgb, 5);
  expect(psnr(truth, damaged)).toBeCloseTo(dB, 4);
  expect(psnr(truth, damaged, { over: "y" })).toBeCloseTo(dBY, 4);
});

test.each([
  { strength: 1, y: 0.998111, rgb: 0.997308 },
  { strength: 4, y: 0.975693, rgb: 0.966744 },
])(
  "MS-SSIM at strength $strength agrees with its formulas in SciPy, odd sides too",
  ({ strength, y, rgb }) => {
    const { truth, damaged } = drawnPair(200, 177, strength);
    expect(msSsim(truth, damaged)).toBeCloseTo(y, 5);
    expect(msSsim(truth, damaged, { over: "rgb" })).toBeCloseTo(rgb, 5);
  },
);

/** The same picture in 16 bits, or in one channel. */
const inWords = (picture: MemoryPicture): MemoryPicture => ({
  ...picture,
  data: Uint16Array.from(picture.data, (level) => level * 257),
});
const redOf = (picture: MemoryPicture): MemoryPicture => ({
  ...picture,
  data: picture.data.filter((_, i) => i % 3 === 0),
  channels: 1,
});

test.each([
  ["SSIM", ssim],
  ["MS-SSIM", msSsim],
])("%s is 1 for equal pictures, symmetric, and the same at 16 bits", (_name, similarity) => {
  const { truth, damaged } = drawnPair(180, 176, 2);
  expect(similarity(truth, truth)).toBeCloseTo(1, 10);
  const score = similarity(truth, damaged);
  expect(score).toBeLessThan(0.999);
  expect(similarity(damaged, truth)).toBeCloseTo(score, 10);
  expect(similarity(inWords(truth), inWords(damaged))).toBeCloseTo(score, 5);
  const gray = similarity(redOf(truth), redOf(damaged));
  expect(similarity(redOf(truth), redOf(damaged), { over: "rgb" })).toBe(gray);
});

test("what is left out at the edges does not count", () => {
  const { truth } = drawnPair(60, 50, 1);
  const framed = { ...truth, data: truth.data.slice() };
  framed.data.fill(0, 0, 60 * 3 * 2);
  expect(ssim(truth, framed)).toBeLessThan(0.995);
  expect(ssim(truth, framed, { borderPixels: 2 })).toBeCloseTo(1, 10);
});

test("a negative is no likeness: structure below 0 counts as none", () => {
  const { truth } = drawnPair(180, 176, 0);
  const negative = { ...truth, data: truth.data.map((level) => 255 - level) };
  expect(ssim(truth, negative)).toBeLessThan(0);
  expect(msSsim(truth, negative)).toBe(0);
});

test("pictures that are too small or not alike are a bug", () => {
  const { truth } = drawnPair(100, 10, 0);
  expect(() => ssim(truth, truth)).toThrow();
  expect(() => msSsim(drawnPair(400, 175, 0).truth, drawnPair(400, 175, 0).truth)).toThrow();
  expect(() => ssim(truth, drawnPair(10, 100, 0).truth)).toThrow();
  expect(() => psnr(truth, redOf(truth))).toThrow();
  expect(() => psnr(truth, truth, { borderPixels: 5 })).toThrow();
});
