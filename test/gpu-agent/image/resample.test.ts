import { expect, test } from "vitest";
import { halvePlanes } from "#agent/image/halve.ts";
import type { RasterShape } from "#agent/image/raster-shape.ts";
import { bicubic, lanczos3, resampleTaps, resize } from "#agent/image/resample.ts";
import { resizedSource } from "#agent/image/resized-source.ts";
import { memorySource, noise, seededRandom } from "./picture-fixture.ts";

const row = (values: number[]) => ({
  data: Float32Array.from(values),
  width: values.length,
  height: 1,
  channels: 1,
});
const resizeRow = (values: number[], width: number, kernel = bicubic): number[] => [
  ...resize(row(values), { width, height: 1 }, kernel).data,
];

test("the kernels are 1 at their centre, 0 at every other whole distance and beyond their support", () => {
  for (const kernel of [bicubic, lanczos3]) {
    expect(kernel.weight(0)).toBe(1);
    for (const distance of [1, 2, 3, 3.5, 9]) expect(kernel.weight(distance)).toBeCloseTo(0, 12);
    expect(kernel.weight(-0.4)).toBe(kernel.weight(0.4));
  }
  expect(bicubic.weight(0.5)).toBe(0.5625);
  expect(bicubic.weight(1.5)).toBe(-0.0625);
  expect(lanczos3.weight(0.5)).toBeCloseTo(6 / Math.PI ** 2, 12);
});

test("doubling a step mirrors the edges with the edge sample repeated, as worked out by hand", () => {
  expect(resizeRow([0, 1], 4)).toEqual([-0.09375, 0.203125, 0.796875, 1.09375]);
});

test("halving weighs eight samples, as worked out by hand", () => {
  const impulse = [0, 0, 0, 0, 256, 0, 0, 0, 0, 0, 0, 0];
  expect(resizeRow(impulse, 6)).toEqual([-3, 29, 111, -9, 0, 0]);
});

test.each([
  [17, 5],
  [5, 17],
  [1, 9],
  [9, 1],
  [2, 3],
  [300, 7],
])("a flat row of %i stays flat at %i, and every weight set sums to 1", (from, to) => {
  for (const kernel of [bicubic, lanczos3]) {
    for (const value of resizeRow(
      Array.from({ length: from }, () => 0.7),
      to,
      kernel,
    )) {
      expect(value).toBeCloseTo(0.7, 6);
    }
    const { width, weights } = resampleTaps(from, to, kernel);
    for (let i = 0; i < to; i += 1) {
      expect(
        weights.subarray(i * width, (i + 1) * width).reduce((sum, weight) => sum + weight, 0),
      ).toBeCloseTo(1, 12);
    }
  }
});

test("the grid is not shifted: a ramp enlarged and reduced stays on its line", () => {
  const ramp = Array.from({ length: 40 }, (_, i) => i);
  const enlarged = resizeRow(ramp, 160);
  for (let i = 16; i < 144; i += 1) expect(enlarged[i]).toBeCloseTo((i + 0.5) / 4 - 0.5, 4);
  const reduced = resizeRow(ramp, 20);
  for (let i = 4; i < 16; i += 1) expect(reduced[i]).toBeCloseTo(2 * i + 0.5, 4);
});

test("bicubic draws a parabola exactly, as Keys has proved of a = −0.5 and of no other value", () => {
  const parabola = (x: number): number => 0.25 * x * x - 3 * x + 7;
  const enlarged = resizeRow(
    Array.from({ length: 40 }, (_, i) => parabola(i)),
    100,
  );
  for (let i = 6; i < 94; i += 1) expect(enlarged[i]).toBeCloseTo(parabola((i + 0.5) / 2.5 - 0.5), 3);
});

test("both axes and all channels are resized alike", () => {
  const random = seededRandom(3);
  const line = Array.from({ length: 12 }, random);
  const expected = resizeRow(line, 30);
  const wide = { data: new Float32Array(12 * 12 * 3), width: 12, height: 12, channels: 3 };
  const tall = { ...wide, data: new Float32Array(12 * 12 * 3) };
  for (let y = 0; y < 12; y += 1) {
    for (let x = 0; x < 12; x += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        wide.data[(y * 12 + x) * 3 + channel] = line[x]! * (channel + 1);
        tall.data[(y * 12 + x) * 3 + channel] = line[y]! * (channel + 1);
      }
    }
  }
  const size = { width: 30, height: 30 };
  const across = resize(wide, size, bicubic).data;
  const down = resize(tall, size, bicubic).data;
  for (let i = 0; i < 30; i += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      expect(across[(17 * 30 + i) * 3 + channel]).toBeCloseTo(expected[i]! * (channel + 1), 5);
      expect(down[(i * 30 + 17) * 3 + channel]).toBeCloseTo(expected[i]! * (channel + 1), 5);
    }
  }
});

test.each([
  [40, 24],
  [2, 2],
  [6, 4],
])("quick halving of %i × %i is the general one", (width, height) => {
  const random = seededRandom(5);
  const [planeWidth, planeHeight] = [width + 3, height + 5];
  const data = Float32Array.from({ length: 3 * planeWidth * planeHeight }, random);
  const halved = halvePlanes({ data, planes: 3, planeWidth, planeHeight, width, height });
  for (let plane = 0; plane < 3; plane += 1) {
    const region = Float32Array.from(
      { length: width * height },
      (_, i) => data[(plane * planeHeight + Math.floor(i / width)) * planeWidth + (i % width)]!,
    );
    const size = { width: width / 2, height: height / 2 };
    const expected = resize({ data: region, width, height, channels: 1 }, size, bicubic).data;
    for (const [i, value] of expected.entries()) {
      expect(halved[plane * expected.length + i]).toBeCloseTo(value, 6);
    }
  }
});

const shape: RasterShape = { width: 57, height: 83, channels: 3, bits: 16 };
test.each([
  [57, 83],
  [200, 331],
  [20, 11],
  [1, 1],
  [57, 400],
])("a picture resized while it is read equals the one resized in memory: %i × %i", async (width, height) => {
  const picture = noise(shape);
  const source = resizedSource(memorySource(shape, picture), { width, height }, bicubic);
  expect(source.shape).toEqual({ ...shape, width, height });
  const whole = resize({ ...shape, data: Float32Array.from(picture) }, { width, height }, bicubic).data;
  const expected = Array.from(whole, (value) => Math.min(65_535, Math.max(0, Math.round(value))));
  // From top to bottom in bands, then once more from the middle: going back is allowed.
  const rows: number[] = [];
  for (let y = 0; y < height; y += 9) rows.push(...(await source.readRows(y, Math.min(9, height - y))));
  let farthest = 0;
  for (const [i, value] of expected.entries()) farthest = Math.max(farthest, Math.abs(value - rows[i]!));
  expect(farthest).toBeLessThanOrEqual(1);
  const middle = Math.floor(height / 2);
  expect([...(await source.readRows(middle, 1))]).toEqual(
    rows.slice(middle * width * 3, (middle + 1) * width * 3),
  );
});
