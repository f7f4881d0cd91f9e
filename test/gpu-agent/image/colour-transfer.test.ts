import { expect, test } from "vitest";
import { adaptChannels } from "#agent/image/adain.ts";
import type { FloatPicture } from "#agent/image/resample.ts";
import { transferWaveletColour } from "#agent/image/wavelet-colour.ts";
import { seededRandom } from "./picture-fixture.ts";

const size = { width: 96, height: 80, channels: 3 };

function painted(level: (x: number, y: number, channel: number) => number): FloatPicture {
  const data = Float32Array.from({ length: size.width * size.height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return level(pixel % size.width, Math.floor(pixel / size.width), i % 3);
  });
  return { ...size, data };
}
const farthest = (a: FloatPicture, b: FloatPicture): number =>
  a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0);
const mixed = (a: FloatPicture, b: FloatPicture): FloatPicture => ({
  ...a,
  data: a.data.map((value, i) => value + b.data[i]!),
});
function moments({ data }: FloatPicture, channel: number): { mean: number; deviation: number } {
  const values = [...data].filter((_, i) => i % 3 === channel);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

const random = seededRandom(7);
const grain = painted(() => 0.2 * (random() - 0.5));
const motif = painted((x, y, channel) => 0.5 + 0.2 * Math.sin(x / (9 + channel)) * Math.cos(y / 13));
const cast = painted((x, _y, channel) => [0.1, -0.05, 0.02][channel]! * (0.5 + x / size.width));

test("a picture keeps its own colours, to the last float or nearly", () => {
  expect(transferWaveletColour(motif, motif)).toEqual(motif);
  expect(farthest(adaptChannels(motif, motif), motif)).toBeLessThan(1e-6);
});

test("wavelets take a slow cast away and leave the grain where it is", () => {
  const content = mixed(mixed(motif, grain), cast);
  const corrected = transferWaveletColour(content, motif);
  expect(farthest(content, mixed(motif, grain))).toBeGreaterThan(0.14);
  // Of the grain itself only what the lowest band holds is gone.
  expect(farthest(corrected, mixed(motif, grain))).toBeLessThan(0.025);
});

test("wavelets take no detail from the reference", () => {
  const checkered = mixed(
    motif,
    painted((x, y) => ((x + y) % 2 === 0 ? 0.2 : -0.2)),
  );
  // Repeating the edges unbalances the checkerboard there, by one pixel in 32.
  expect(farthest(transferWaveletColour(motif, checkered), motif)).toBeLessThan(0.2 / 32);
});

test("the low band of one pixel is the product of five binomials with holes, as worked out by hand", () => {
  const dark = painted(() => 0);
  const dot = painted((x, y, channel) => (x === 48 && y === 40 && channel === 1 ? 1 : 0));
  const low = transferWaveletColour(dark, dot);
  const value = (x: number, y: number): number => low.data[(y * size.width + x) * 3 + 1]!;
  // On one axis the five binomials are a triangle over 2⁵ pixels a side: (32 − |x|) / 32².
  for (const [x, y] of [
    [0, 0],
    [1, 0],
    [5, -7],
    [-31, 3],
    [32, 0],
  ] as const) {
    expect(value(48 + x, 40 + y)).toBeCloseTo(((32 - Math.abs(x)) * (32 - Math.abs(y))) / 32 ** 4, 8);
  }
  expect(value(48 - 33, 40)).toBe(0);
  expect(low.data[(40 * size.width + 48) * 3]).toBe(0);
});

test("a shift of all levels is taken over whole, at the edges as well", () => {
  const shifted = painted((x, y, channel) => motif.data[(y * size.width + x) * 3 + channel]! + 0.25);
  expect(farthest(transferWaveletColour(motif, shifted), shifted)).toBeLessThan(1e-6);
});

test("normalised channels have the mean and the deviation of the reference, whatever its size", () => {
  const reference: FloatPicture = {
    data: motif.data.slice(0, 96 * 3 * 20),
    width: 96,
    height: 20,
    channels: 3,
  };
  const adapted = adaptChannels(mixed(grain, cast), reference);
  for (let channel = 0; channel < 3; channel += 1) {
    const wanted = moments(reference, channel);
    const found = moments(adapted, channel);
    expect(found.mean).toBeCloseTo(wanted.mean, 5);
    expect(found.deviation).toBeCloseTo(wanted.deviation, 5);
  }
});

test("normalising undoes any gain and offset", () => {
  const faded = painted((x, y, channel) => 0.3 + 0.4 * motif.data[(y * size.width + x) * 3 + channel]!);
  expect(farthest(adaptChannels(faded, motif), motif)).toBeLessThan(1e-5);
});

test("a flat channel comes out flat, at the mean of the reference", () => {
  const flat = adaptChannels(
    painted(() => 0.9),
    motif,
  );
  for (let channel = 0; channel < 3; channel += 1) {
    expect(moments(flat, channel).mean).toBeCloseTo(moments(motif, channel).mean, 5);
    expect(moments(flat, channel).deviation).toBeLessThan(1e-6);
  }
});

test("pictures that do not match are a bug", () => {
  const gray = { data: new Float32Array(4), width: 2, height: 2, channels: 1 };
  expect(() => transferWaveletColour(motif, gray)).toThrow();
  expect(() => adaptChannels(motif, gray)).toThrow();
});
