import { expect, test } from "vitest";
import { fillBands } from "#agent/image/fill-bands.ts";
import { inpaint } from "#agent/image/inpaint.ts";
import type { RasterShape, Samples } from "#agent/image/raster-shape.ts";
import { memorySink, memorySource, noise, paint, seededRandom } from "./picture-fixture.ts";

const width = 60;
const height = 130;
const never = new AbortController().signal;

/** 255 where `isMarked`. */
const maskOf = (isMarked: (x: number, y: number) => boolean) => ({
  data: Uint8Array.from({ length: width * height }, (_, i) =>
    isMarked(i % width, Math.floor(i / width)) ? 255 : 0,
  ),
  width,
  height,
});

const plane = (level: (x: number, y: number) => number): Float32Array =>
  Float32Array.from({ length: width * height }, (_, i) => level(i % width, Math.floor(i / width)));

test("a hole in what is even becomes even, in a slope it strays by no more than the slope of half the hole", () => {
  const even = plane(() => 0.4);
  const slope = plane((x) => x / width);
  const mask = maskOf((x, y) => Math.abs(x - 30) <= 2 && y > 20 && y < 100);
  const damaged = [even, slope].map((truth) => truth.map((level, i) => (mask.data[i] === 0 ? level : 1)));
  inpaint(damaged, mask);
  for (let i = 0; i < even.length; i += 1) {
    expect(damaged[0]![i]).toBeCloseTo(0.4, 5);
    expect(Math.abs(damaged[1]![i]! - slope[i]!)).toBeLessThan(2.5 / width);
  }
});

test("nothing outside of the mask is touched, whatever lies there", () => {
  const random = seededRandom(2);
  const truth = plane(() => random());
  const mask = maskOf((x, y) => (x * 7 + y * 3) % 11 < 4);
  const filled = truth.slice();
  const layers = inpaint([filled], mask);
  for (let i = 0; i < truth.length; i += 1) {
    expect(layers[i] === 0).toBe(mask.data[i] === 0);
    if (mask.data[i] === 0) expect(filled[i]).toBe(truth[i]);
    else expect(filled[i]).not.toBe(truth[i]);
  }
});

test("what is known nowhere near is left as it was and said so", () => {
  const truth = plane(() => 0.7);
  const mask = maskOf((x) => x < 40);
  const filled = truth.map((level, i) => (mask.data[i] === 0 ? level : 0));
  const layers = inpaint([filled], mask);
  expect(layers[39]).toBe(1);
  expect(layers[28]).toBe(12);
  expect(layers[27]).toBe(0);
  expect(filled[27]).toBe(0);
  expect(filled[28]).toBeCloseTo(0.7, 5);
});

const shape: RasterShape = { width, height, channels: 3, bits: 16 };
/** A long scratch, a blot and dust. */
const isDamaged = (x: number, y: number): boolean =>
  Math.abs(x - 20 - y / 9) < 2 || Math.hypot(x - 45, y - 60) < 9 || (x * 13 + y * 29) % 97 === 0;
const grayShape: RasterShape = { ...shape, channels: 1 };
const marks = paint(grayShape, (x, y) => (isDamaged(x, y) ? 1 : 0));

async function fill(samples: Samples, change: Partial<Parameters<typeof fillBands>[0]> = {}) {
  const sink = memorySink(shape);
  const source = memorySource(shape, samples);
  const mask = memorySource(grayShape, marks);
  const result = await fillBands({ source, sink, mask, ...change }, never);
  return { ...result, samples: sink.samples };
}

test("bands of any height give the same picture to the bit", async () => {
  const samples = noise(shape);
  const whole = await fill(samples);
  for (const bandRows of [1, 7, 50]) {
    const banded = await fill(samples, { bandRows });
    expect(Buffer.compare(Buffer.from(banded.samples.buffer), Buffer.from(whole.samples.buffer))).toBe(0);
    expect(banded.marked).toBe(whole.marked);
    expect(banded.left).toBe(whole.left);
  }
});

test("samples more than a pixel outside of the mask pass through to the bit", async () => {
  const samples = noise(shape);
  const { samples: filled, marked } = await fill(samples);
  let kept = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const isNear = [-1, 0, 1].some((j) => [-1, 0, 1].some((i) => isDamaged(x + i, y + j)));
      if (isNear) continue;
      kept += 1;
      for (let c = 0; c < 3; c += 1) {
        const at = (y * width + x) * 3 + c;
        expect(filled[at]).toBe(samples[at]);
      }
    }
  }
  expect(kept).toBeGreaterThan(1_000);
  expect(marked).toBeGreaterThanOrEqual(width * height - kept - 200);
});

test("without a mark in the mask the picture passes as it is", async () => {
  const samples = noise(shape);
  const clean = memorySource(
    grayShape,
    paint(grayShape, () => 0.4),
  );
  expect(await fill(samples, { mask: clean })).toEqual({ marked: 0, left: 0, samples });
});
