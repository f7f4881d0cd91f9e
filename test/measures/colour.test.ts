import { expect, test } from "vitest";
import { seededRandom } from "../gpu-agent/image/picture-fixture.ts";
import { ciede2000, deltaE, lowDeltaE } from "./delta-e.ts";
import { drawnPair } from "./drawn-pair.ts";
import { labToLinear, linearToLab } from "#agent/image/lab.ts";
import { linearToSrgb, srgbToLinear } from "#agent/image/linear-light.ts";
import type { MemoryPicture } from "./memory-picture.ts";

test("light and its code come back within 10⁻⁷, and the two halves of the curve meet", () => {
  for (let level = 0; level <= 4096; level += 1) {
    expect(Math.abs(linearToSrgb(srgbToLinear(level / 4096)) - level / 4096)).toBeLessThan(1e-7);
  }
  expect(srgbToLinear(0)).toBe(0);
  expect(srgbToLinear(1)).toBe(1);
  // Half of the code is a fifth of the light; middle gray reflects 18 %.
  expect(srgbToLinear(0.5)).toBeCloseTo(0.214041, 6);
  expect(linearToSrgb(0.18)).toBeCloseTo(0.461356, 6);
  expect(srgbToLinear(0.040451) - srgbToLinear(0.04045)).toBeLessThan(1e-6);
});

/** Lab of 8-bit sRGB. */
function labOf(...rgb: number[]): number[] {
  const lab = Float32Array.from(rgb, (level) => srgbToLinear(level / 255));
  linearToLab(lab, lab);
  return [...lab];
}

// From scikit-image 0.26.0, `rgb2lab`; its matrix has six digits where the standard prints four: up to 0.03 apart.
test.each([
  [
    [255, 0, 0],
    [53.2406, 80.0923, 67.2028],
  ],
  [
    [0, 255, 0],
    [87.7351, -86.183, 83.1797],
  ],
  [
    [0, 0, 255],
    [32.2957, 79.1856, -107.8573],
  ],
  [
    [200, 120, 40],
    [57.9123, 25.2952, 54.0828],
  ],
  [
    [3, 2, 1],
    [0.5869, 0.1224, 0.4706],
  ],
])("sRGB %j is Lab %j", (rgb, expected) => {
  for (const [i, value] of labOf(...rgb).entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(0.03);
});

test("gray has no chroma, white is 100 and 18 % gray is 49.5", () => {
  for (const level of [0, 1, 5, 10, 128, 255]) {
    const [, a, b] = labOf(level, level, level);
    expect(Math.abs(a!)).toBeLessThan(1e-4);
    expect(Math.abs(b!)).toBeLessThan(1e-4);
  }
  expect(labOf(255, 255, 255)[0]).toBeCloseTo(100, 5);
  expect(labOf(0, 0, 0)[0]).toBeCloseTo(0, 5);
  const middle = new Float32Array(3).fill(0.18);
  linearToLab(middle, middle);
  expect(middle[0]).toBeCloseTo(49.496, 3);
});

test("Lab and back is the same light within 10⁻⁶", () => {
  const random = seededRandom(4);
  const light = Float32Array.from({ length: 3000 }, () => random() ** 2.4);
  const there = new Float32Array(light.length);
  linearToLab(light, there);
  labToLinear(there, there);
  for (const [i, value] of there.entries()) expect(Math.abs(value - light[i]!)).toBeLessThan(1e-6);
});

// All pairs of G. Sharma, W. Wu and E. Dalal, "The CIEDE2000 color-difference formula: implementation notes,
// supplementary test data, and mathematical observations", 2005, table 1.
const sharma = `
  50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
  50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
  50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
  50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
  50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
  50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
  50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
  50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
  50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
  50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
  50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
  50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
  50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
  50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
  50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
  50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
  50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
  50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
  50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
  50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
  50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
  50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
  50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
  50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
  60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
  63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
  61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
  35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
  22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
  36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
  90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
  90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
  6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
  2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
`;

test("all 34 published pairs have the published CIEDE2000, in both directions", () => {
  const rows = sharma.trim().split("\n");
  expect(rows).toHaveLength(34);
  for (const row of rows) {
    const values = row.trim().split(" ").map(Number);
    const [one, two, expected] = [values.slice(0, 3), values.slice(3, 6), values[6]!];
    expect(Math.abs(ciede2000(one, two) - expected), row).toBeLessThan(1e-4);
    expect(Math.abs(ciede2000(two, one) - expected), row).toBeLessThan(1e-4);
  }
});

/** One colour all over. */
function flat(...rgb: [number, number, number]): MemoryPicture {
  const data = Uint8Array.from({ length: 20 * 15 * 3 }, (_, i) => rgb[i % 3]!);
  return { data, width: 20, height: 15, channels: 3 };
}

test("the difference of two pictures is the mean over their pixels, equal ones have none", () => {
  const { truth, damaged } = drawnPair(200, 177, 4);
  expect(deltaE(truth, truth)).toBe(0);
  expect(lowDeltaE(truth, truth)).toBe(0);
  // scikit-image 0.26.0: deltaE_ciede2000(rgb2lab(truth / 255), rgb2lab(damaged / 255)).mean().
  expect(deltaE(truth, damaged)).toBeCloseTo(12.2192, 1);
  // The same after SciPy 1.17.1's gaussian_filter(linear, 8, mode="reflect", radius=24).
  expect(lowDeltaE(truth, damaged)).toBeCloseTo(0.8524, 3);
});

test("of flat colours both differences are that of the colours, in 16 bits and in gray as well", () => {
  const one = ciede2000(labOf(200, 120, 40), labOf(190, 125, 60));
  expect(deltaE(flat(200, 120, 40), flat(190, 125, 60))).toBeCloseTo(one, 4);
  expect(lowDeltaE(flat(200, 120, 40), flat(190, 125, 60))).toBeCloseTo(one, 3);
  const gray = (data: Uint8Array | Uint16Array): MemoryPicture => ({
    data,
    width: 2,
    height: 1,
    channels: 1,
  });
  const expected = ciede2000(labOf(100, 100, 100), labOf(110, 110, 110));
  expect(deltaE(gray(Uint8Array.of(100, 100)), gray(Uint8Array.of(110, 110)))).toBeCloseTo(expected, 4);
  const words = (level: number) => gray(Uint16Array.of(level * 257, level * 257));
  expect(deltaE(words(100), words(110))).toBeCloseTo(expected, 4);
});

test("grain hardly counts in the low frequencies, a cast counts whole", () => {
  const { truth, damaged } = drawnPair(160, 120, 3);
  expect(lowDeltaE(truth, damaged)).toBeLessThan(0.1 * deltaE(truth, damaged));
  const warm = { ...truth, data: truth.data.map((level, i) => (i % 3 === 2 ? level * 0.8 : level)) };
  expect(lowDeltaE(truth, warm)).toBeGreaterThan(0.6 * deltaE(truth, warm));
});

test("the edges can be left out", () => {
  const framed = flat(90, 90, 90);
  framed.data.fill(0, 0, 20 * 3 * 2);
  expect(deltaE(framed, flat(90, 90, 90))).toBeGreaterThan(1);
  expect(deltaE(framed, flat(90, 90, 90), { borderPixels: 2 })).toBe(0);
  expect(lowDeltaE(framed, flat(90, 90, 90), { borderPixels: 2 })).toBe(0);
});
