import { expect, test } from "vitest";
import { paint } from "../gpu-agent/image/picture-fixture.ts";
import type { MemoryPicture } from "./memory-picture.ts";
import { psnr } from "./psnr.ts";

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
  expect(psnr(a, b, { over: "y" })).toBeCloseTo(20 * Math.log10(255 / (10 * (219 / 255))), 4);
  const green = picture((_x, _y, channel) => (channel === 1 ? 110 : 100) / 255);
  expect(psnr(a, green, { over: "y" })).toBeCloseTo(20 * Math.log10(255 / (10 * (128.553 / 255))), 4);
});

test("equal pictures score infinity, and the border can be left out", () => {
  const a = picture(() => 0.5);
  const framed = picture((x, y) => (x < 4 || y < 4 || x >= 92 || y >= 76 ? 1 : 0.5));
  expect(psnr(a, a)).toBe(Infinity);
  expect(psnr(a, framed)).toBeLessThan(20);
  expect(psnr(a, framed, { borderPixels: 4 })).toBe(Infinity);
});
