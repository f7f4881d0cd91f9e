import { expect, test } from "vitest";
import { noise, paint } from "../gpu-agent/image/picture-fixture.ts";
import type { MemoryPicture } from "./memory-picture.ts";
import { seamScore } from "./seam-score.ts";

const size = { width: 96, height: 80, channels: 3 } as const;
const picture = (
  level: (x: number, y: number, channel: number) => number,
  bits: 8 | 16 = 8,
): MemoryPicture => ({
  data: paint({ ...size, bits }, level),
  ...size,
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
