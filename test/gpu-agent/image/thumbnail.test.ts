import fc from "fast-check";
import { expect, test } from "vitest";
import type { RasterShape, Samples } from "#agent/image/raster-shape.ts";
import { createThumbnailer, type Thumbnail } from "#agent/image/thumbnail.ts";

function thumbnailOf(shape: RasterShape, rows: Samples, sideMax: number): Thumbnail {
  const thumbnailer = createThumbnailer(shape, sideMax);
  const half = Math.floor(shape.height / 2) * shape.width * shape.channels;
  thumbnailer.push(rows.subarray(0, half));
  thumbnailer.push(rows.subarray(half));
  return thumbnailer.finish();
}

test("each pixel is the mean of its square, at 8 and at 16 bits alike", () => {
  const level = (i: number): number => (i * 37) % 256;
  const shape = { width: 4, height: 2, channels: 3 } as const;
  const bytes = Uint8Array.from({ length: 24 }, (_, i) => level(i));
  const words = Uint16Array.from(bytes, (value) => value * 257);
  const mean = (x: number, channel: number): number =>
    Math.round([0, 3, 12, 15].reduce((sum, at) => sum + level(at + x * 6 + channel), 0) / 4);
  const expected = [mean(0, 0), mean(0, 1), mean(0, 2), mean(1, 0), mean(1, 1), mean(1, 2)];
  for (const made of [
    thumbnailOf({ ...shape, bits: 8 }, bytes, 2),
    thumbnailOf({ ...shape, bits: 16 }, words, 2),
  ]) {
    expect([made.width, made.height]).toEqual([2, 1]);
    for (const [i, value] of made.data.entries())
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1);
  }
});

test("black stays black and white stays white, whatever the size, the channels and the bits", () => {
  const side = fc.integer({ min: 1, max: 90 });
  const channels = fc.constantFrom<1 | 3>(1, 3);
  fc.assert(
    fc.property(
      side,
      side,
      channels,
      fc.constantFrom<8 | 16>(8, 16),
      side,
      (width, height, channels, bits, sideMax) => {
        const shape = { width, height, channels, bits };
        const white =
          bits === 8
            ? new Uint8Array(width * height * channels).fill(255)
            : new Uint16Array(width * height * channels).fill(65_535);
        const made = thumbnailOf(shape, white, sideMax);
        expect(Math.max(made.width, made.height)).toBeLessThanOrEqual(sideMax);
        expect(Math.min(made.width, made.height)).toBeGreaterThanOrEqual(1);
        expect(made.data.length).toBe(made.width * made.height * 3);
        expect(made.data.every((value) => value === 255)).toBe(true);
        expect(thumbnailOf(shape, white.fill(0), sideMax).data.every((value) => value === 0)).toBe(true);
      },
    ),
  );
});

test("what is transparent shows white", () => {
  const shape = { width: 2, height: 1, channels: 4, bits: 8 } as const;
  const made = thumbnailOf(shape, Uint8Array.of(10, 20, 30, 0, 10, 20, 30, 255), 8);
  expect([...made.data]).toEqual([255, 255, 255, 10, 20, 30]);
});

test("a picture that fits is shown as it is", () => {
  const made = thumbnailOf({ width: 2, height: 1, channels: 1, bits: 16 }, Uint16Array.of(0x1234, 0xffff), 2);
  expect([...made.data]).toEqual([18, 18, 18, 255, 255, 255]);
});
