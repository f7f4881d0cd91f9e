import { expect, test } from "vitest";
import { bicubic, lanczos3, resize } from "#agent/image/resample.ts";

/*
 * Pillow 13.0.0 as the judge. Its BICUBIC is Keys' kernel with a = −0.5, its LANCZOS has three lobes, both are widened
 * when reducing, and the grids agree. At the edges it leaves out the samples that are missing and renormalises, where
 * MATLAB's `imresize` (and this resampler) mirrors: only outputs whose whole kernel lies inside are compared.
 *
 *   import numpy as np
 *   from PIL import Image
 *   y, x = np.mgrid[:36, :40]
 *   picture = ((x * x * 7 + y * y * 13 + x * y * 5 + x * 31) % 256).astype(np.float32)
 *   Image.fromarray(picture).resize((60, 45), Image.Resampling.BICUBIC)   # mode F: floats in, floats out
 *   samples = np.array([[10, 20, 200, 40, …]], dtype=np.float32)
 *   Image.fromarray(samples).resize((8, 1), Image.Resampling.BICUBIC)
 */
const kernels = { bicubic, lanczos3 };

const picture = {
  data: Float32Array.from({ length: 40 * 36 }, (_, i) => {
    const [x, y] = [i % 40, Math.floor(i / 40)];
    return (x * x * 7 + y * y * 13 + x * y * 5 + x * 31) % 256;
  }),
  width: 40,
  height: 36,
  channels: 1,
};

// The kernel, the size, three columns and three rows of the result (the outermost inner ones and one in the middle),
// and the nine values where they cross, row after row.
test.each([
  [
    "bicubic",
    [60, 45],
    [2, 30, 57],
    [2, 22, 42],
    [83.509, 138.769, 228.509, 140.25, 194.361, 157.583, 82.176, 118.954, 94.954],
  ],
  [
    "bicubic",
    [160, 144],
    [6, 80, 153],
    [6, 72, 137],
    [66.504, 194.626, 237.292, 171.613, 164.458, 180.303, 123.324, 106.652, 12.403],
  ],
  [
    "bicubic",
    [20, 18],
    [2, 10, 17],
    [2, 9, 15],
    [87.082, 143.867, 82.875, 145.613, 121.621, 101.953, 129.324, 102.02, 148.797],
  ],
  [
    "bicubic",
    [10, 9],
    [2, 5, 7],
    [2, 4, 6],
    [133.371, 148.673, 135.063, 125.235, 119.751, 127.435, 119.913, 131.818, 121.457],
  ],
  [
    "bicubic",
    [13, 11],
    [2, 6, 10],
    [2, 5, 8],
    [117.47, 142.662, 122.782, 98.895, 115.057, 118.855, 160.441, 132.721, 122.169],
  ],
  [
    "bicubic",
    [33, 50],
    [2, 16, 30],
    [2, 25, 47],
    [181.579, 156.244, 141.533, 67.264, 144.809, 166.269, 117.611, 123.37, 60.9],
  ],
  [
    "lanczos3",
    [60, 45],
    [4, 30, 55],
    [3, 22, 41],
    [206.5, 103.353, 112.408, 72.7, 204.197, 189.517, 250.132, 172.94, 10.048],
  ],
  [
    "lanczos3",
    [160, 144],
    [10, 80, 149],
    [10, 72, 133],
    [187.141, 50.032, 132.224, 123.086, 169.49, 136.451, 259.062, 155.116, 2.16],
  ],
  [
    "lanczos3",
    [20, 18],
    [3, 10, 16],
    [3, 9, 14],
    [106.521, 152.165, 141.052, 29.542, 117.832, 127.614, 271.787, 111.072, 116.308],
  ],
  [
    "lanczos3",
    [10, 9],
    [3, 5, 6],
    [3, 4, 5],
    [99.941, 124.022, 139.235, 111.873, 116.301, 137.456, 141.065, 141.215, 93.052],
  ],
  [
    "lanczos3",
    [13, 11],
    [3, 6, 9],
    [3, 5, 7],
    [118.794, 138.967, 149.313, 143.027, 111.607, 128.638, 138.974, 160.821, 112.303],
  ],
  [
    "lanczos3",
    [33, 50],
    [3, 16, 29],
    [3, 25, 46],
    [125.371, 32.36, 83.088, 158.325, 145.599, 164.932, 199.042, 157.791, 141.767],
  ],
] as const)(
  "%s from 40 × 36 to %j agrees with Pillow inside",
  (name, [width, height], columns, rows, expected) => {
    const { data } = resize(picture, { width, height }, kernels[name]);
    const values = rows.flatMap((y) => columns.map((x) => data[y * width + x]!));
    for (const [i, value] of values.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(0.001);
  },
);

// One row, every inner value from the given one on.
const samples = [10, 20, 200, 40, 50, 250, 70, 80, 0, 100, 110, 120, 130, 30, 150, 160];
test.each([
  ["bicubic", 8, 2, [132.4609, 86.3281, 53.75, 122.0312]],
  [
    "bicubic",
    32,
    4,
    [174.9219, 179.9219, 76.0156, 26.0938, 30.1562, 95.5469, 222.2656, 227.2656, 110.5469, 61.25],
  ],
  [
    "bicubic",
    40,
    6,
    [197.005, 130.625, 50.645, 24.52, 27.68, 64.015, 161.875, 244.535, 217.945, 122.005, 63.71],
  ],
  ["bicubic", 11, 2, [54.1446, 163.4076, 109.5087, 33.5777, 78.1358, 118.0924, 114.1862]],
  ["bicubic", 5, 2, [69.1489]],
  ["lanczos3", 8, 3, [91.1101, 46.7094]],
  [
    "lanczos3",
    32,
    6,
    [89.4911, 6.7258, 10.8163, 108.9131, 228.5788, 231.2644, 116.4799, 53.0996, 76.7732, 63.6324],
  ],
  [
    "lanczos3",
    40,
    8,
    [58.3721, 2.6525, 5.8293, 71.6305, 175.3261, 246.0032, 222.9263, 128.4237, 59.5208, 61.413],
  ],
  ["lanczos3", 11, 3, [159.9951, 121.0124, 25.3493, 75.7807, 124.4893]],
] as const)("%s from 16 to %i samples agrees with Pillow", (name, width, from, expected) => {
  const row = { data: Float32Array.from(samples), width: 16, height: 1, channels: 1 };
  const resized = resize(row, { width, height: 1 }, kernels[name]).data;
  for (const [i, value] of expected.entries()) expect(resized[from + i]).toBeCloseTo(value, 3);
});
