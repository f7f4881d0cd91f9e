import { expect, test } from "vitest";
import { boxBlur } from "#agent/image/box-blur.ts";
import { gaussianBlur } from "#agent/image/gaussian-blur.ts";
import type { FloatPicture } from "#agent/image/resample.ts";
import { seededRandom } from "./picture-fixture.ts";

/*
 * The tables come from SciPy 1.17.1, whose mode "reflect" mirrors with the edge sample repeated:
 *
 *   import numpy as np
 *   from scipy.ndimage import gaussian_filter, uniform_filter
 *   y, x = np.mgrid[:7, :9]
 *   picture = ((x * x * 7 + y * y * 13 + x * y * 5 + x * 31) % 256).astype(np.float64)
 *   gaussian_filter(picture, 1.5, mode="reflect", radius=5)
 *   uniform_filter(picture, 5, mode="reflect")
 */
const picture: FloatPicture = {
  data: Float32Array.from({ length: 63 }, (_, i) => {
    const [x, y] = [i % 9, Math.floor(i / 9)];
    return (x * x * 7 + y * y * 13 + x * y * 5 + x * 31) % 256;
  }),
  width: 9,
  height: 7,
  channels: 1,
};

/** A corner, the middle of the upper edge, the middle, the last pixel. */
const places = [0, 4, 3 * 9 + 4, 62];
const at = ({ data }: FloatPicture): number[] => places.map((i) => data[i]!);
const grain = (size: { width: number; height: number; channels: number }): FloatPicture => {
  const random = seededRandom(11);
  return { ...size, data: Float32Array.from({ length: size.width * size.height * size.channels }, random) };
};
const blurs = [
  ["Gaussian", (from: FloatPicture) => gaussianBlur(from, 2.3)],
  ["box", (from: FloatPicture) => boxBlur(from, 4)],
] as const;

test.each([
  [0.8, [16.4942, 151.5557, 104.5115, 146.0474]],
  [1.5, [53.2208, 131.8826, 116.6362, 132.6071]],
])("a Gaussian of %f agrees with SciPy, at the edges as well", (sigma, expected) => {
  for (const [i, value] of at(gaussianBlur(picture, sigma)).entries())
    expect(value).toBeCloseTo(expected[i]!, 3);
});

test("a box of radius 2 agrees with SciPy, at the edges as well", () => {
  for (const [i, value] of at(boxBlur(picture, 2)).entries())
    expect(value).toBeCloseTo([52, 138.24, 125.32, 132.48][i]!, 4);
});

test.each(blurs)(
  "a %s blur of a single pixel is symmetric, separable and of the same energy",
  (_name, blur) => {
    const dot = { data: new Float32Array(41 * 41), width: 41, height: 41, channels: 1 };
    dot.data[20 * 41 + 20] = 1;
    const { data } = blur(dot);
    expect(data.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
    const value = (x: number, y: number): number => data[(20 + y) * 41 + 20 + x]!;
    for (const [x, y] of [
      [1, 2],
      [3, 4],
      [4, 0],
      [5, 5],
    ] as const) {
      for (const twin of [value(-x, y), value(x, -y), value(y, x)]) expect(twin).toBeCloseTo(value(x, y), 7);
      expect(value(x, y) * value(0, 0)).toBeCloseTo(value(x, 0) * value(0, y), 7);
    }
  },
);

test.each(blurs)("a %s blur keeps the mean and blurs each channel by itself", (_name, blur) => {
  const colour = grain({ width: 37, height: 23, channels: 3 });
  const blurred = blur(colour);
  for (let channel = 0; channel < 3; channel += 1) {
    const plane = (from: FloatPicture) => from.data.filter((_, i) => i % 3 === channel);
    const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
    // Mirroring gives pixels at the edges a little more weight than one.
    expect(mean(plane(blurred))).toBeCloseTo(mean(plane(colour)), 2);
    const alone = blur({ ...colour, data: plane(colour), channels: 1 }).data;
    expect(Math.max(...alone.map((value, i) => Math.abs(value - plane(blurred)[i]!)))).toBeLessThan(1e-6);
  }
});

test.each(blurs)("a %s blur leaves a flat picture flat, down to a single pixel", (_name, blur) => {
  for (const [width, height] of [
    [1, 1],
    [2, 30],
    [30, 2],
  ] as const) {
    const flat = { data: new Float32Array(width * height).fill(0.3), width, height, channels: 1 };
    for (const value of blur(flat).data) expect(value).toBeCloseTo(0.3, 6);
  }
});

test("two Gaussians are one whose variance is the sum", () => {
  const rough = grain({ width: 40, height: 40, channels: 1 });
  const twice = gaussianBlur(gaussianBlur(rough, 3), 4).data;
  const once = gaussianBlur(rough, 5).data;
  for (let i = 0; i < once.length; i += 1) expect(Math.abs(twice[i]! - once[i]!)).toBeLessThan(0.003);
});

test("three boxes come close to a Gaussian", () => {
  const rough = grain({ width: 60, height: 40, channels: 1 });
  const boxes = boxBlur(boxBlur(boxBlur(rough, 3), 3), 3).data;
  const once = gaussianBlur(rough, Math.sqrt(3 * 4)).data;
  for (let i = 0; i < once.length; i += 1) expect(Math.abs(boxes[i]! - once[i]!)).toBeLessThan(0.01);
});

test("a box of radius 0 copies, a blur of no width or of no bound is a bug", () => {
  expect(boxBlur(picture, 0).data).toEqual(picture.data);
  for (const radius of [-1, 0.5, Number.NaN]) expect(() => boxBlur(picture, radius)).toThrow();
  for (const sigma of [0, 65, Number.NaN]) expect(() => gaussianBlur(picture, sigma)).toThrow();
});
