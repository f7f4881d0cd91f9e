import { expect, test } from "vitest";
import { psnr, seamScore, type MemoryPicture } from "#agent/image/quality.ts";
import { noise, paint } from "./picture-fixture.ts";

const size = { width: 96, height: 80, channels: 3 } as const;
const picture = (
  level: (x: number, y: number, channel: number) => number,
  bits: 8 | 16 = 8,
): MemoryPicture => ({
  data: paint({ ...size, bits }, level),
  ...size,
});

test("a picture that is off by one level everywhere scores 48.13 dB, at 8 bits and at 16", () => {
  for (const bits of [8, 16] as const) {
    const a = picture(() => 100 / 255, bits);
    const b = picture(() => 101 / 255, bits);
    expect(psnr(a, b)).toBeCloseTo(48.1308, 3);
  }
});

test("luma is BT.601 in 16..235: ten levels of gray are 8.588 of luma", () => {
  const a = picture(() => 100 / 255);
  const b = picture(() => 110 / 255);
  expect(psnr(a, b, { over: "y" })).toBeCloseTo(20 * Math.log10(255 / (10 * (219 / 255))), 6);
  const green = picture((_x, _y, channel) => (channel === 1 ? 110 : 100) / 255);
  expect(psnr(a, green, { over: "y" })).toBeCloseTo(20 * Math.log10(255 / (10 * (128.553 / 255))), 6);
});

test("equal pictures score infinity, and the border can be left out", () => {
  const a = picture(() => 0.5);
  const framed = picture((x, y) => (x < 4 || y < 4 || x >= 92 || y >= 76 ? 1 : 0.5));
  expect(psnr(a, a)).toBe(Infinity);
  expect(psnr(a, framed)).toBeLessThan(20);
  expect(psnr(a, framed, { borderPixels: 4 })).toBe(Infinity);
});

const lines = { xs: [32, 64], ys: [40] };

test("a flat picture, a gradient and noise score about 1", () => {
  expect(
    seamScore(
      picture(() => 0.3),
      lines,
    ),
  ).toBe(1);
  expect(
    seamScore(
      picture((x, y) => (x + y) / 200),
      lines,
    ),
  ).toBeCloseTo(1, 1);
  const grain: MemoryPicture = { data: noise({ ...size, bits: 16 }), ...size };
  expect(seamScore(grain, lines)).toBeCloseTo(1, 1);
});

test("a seam of two levels is seen on a flat picture", () => {
  expect(
    seamScore(
      picture((x) => (x < 32 ? 100 : 102) / 255),
      lines,
    ),
  ).toBeGreaterThan(1.05);
});

test("an edge of the motif along a border is no seam when the reference has it too", () => {
  const house = picture((x) => (x < 64 ? 0.2 : 0.8));
  expect(seamScore(house, lines)).toBeGreaterThan(1.05);
  expect(seamScore(house, { ...lines, reference: house })).toBe(1);
});

test("a picture in one tile has no seam", () => {
  expect(
    seamScore(
      picture((x) => x / 96),
      { xs: [], ys: [] },
    ),
  ).toBe(1);
});
