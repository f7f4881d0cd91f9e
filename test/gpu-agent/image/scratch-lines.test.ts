import { expect, test } from "vitest";
import { describeComponents, type Component } from "#agent/image/components.ts";
import { findScratchLines, SCRATCH_LINES_REACH } from "#agent/image/scratch-lines.ts";
import { seededRandom } from "./picture-fixture.ts";

const width = 160;
const height = 140;

function plane(level: (x: number, y: number) => number): Float32Array {
  return Float32Array.from({ length: width * height }, (_, i) => level(i % width, Math.floor(i / width)));
}
const area = (map: Float32Array): number => map.reduce((sum, value) => sum + value, 0);
const calm = (x: number, y: number): number => 0.4 + 0.1 * Math.sin(x / 30) + 0.05 * Math.cos(y / 20);

/** How far a pixel lies from a slightly steep line of 80 px. */
const fromLine = (x: number, y: number): number =>
  y < 30 || y > 110 ? 99 : Math.abs(x - 60 - 0.3 * (y - 30)) / Math.hypot(1, 0.3);

test("a bright scratch is found along its length and hardly beside it", () => {
  const found = findScratchLines(
    plane((x, y) => (fromLine(x, y) < 1 ? 0.9 : calm(x, y))),
    { width, height },
  );
  let hit = 0;
  let missed = 0;
  let beside = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const isFound = found[y * width + x] === 1;
      const isLine = fromLine(x, y) < 1 && y > 36 && y < 104;
      if (isLine && isFound) hit += 1;
      else if (isLine) missed += 1;
      else if (fromLine(x, y) > 2.5 && isFound) beside += 1;
    }
  }
  expect(hit).toBeGreaterThan(100);
  expect(missed).toBeLessThan(0.1 * hit);
  expect(beside).toBeLessThan(0.1 * hit);
});

test.each([
  ["a dark line", (x: number, y: number) => (fromLine(x, y) < 1 ? 0.05 : calm(x, y))],
  ["an edge", (x: number) => (x < 80 ? 0.2 : 0.8)],
  ["a broad bar", (x: number) => (Math.abs(x - 80) < 8 ? 0.9 : 0.3)],
  ["a short line", (x: number, y: number) => (Math.abs(x - 80) < 1.5 && y > 60 && y < 75 ? 0.9 : 0.3)],
  ["stripes", (x: number) => (x % 6 < 2 ? 0.9 : 0.3)],
])("%s is no scratch", (_name, level) => {
  expect(area(findScratchLines(plane(level), { width, height }))).toBe(0);
});

test("noise is no scratch", () => {
  const random = seededRandom(6);
  const lines = findScratchLines(
    plane(() => 0.3 + 0.4 * random()),
    { width, height },
  );
  expect(area(lines)).toBe(0);
});

test("what lies beyond its reach changes no candidate of a line", () => {
  const level = (x: number, y: number): number => (fromLine(x, y) < 1 ? 0.9 : calm(x, y));
  const changed = (x: number, y: number): number => (x > 150 ? 1 - level(x, y) : level(x, y));
  const size = { width, height };
  const [a, b] = [level, changed].map((paint) => findScratchLines(plane(paint), size)) as [
    Float32Array,
    Float32Array,
  ];
  for (let y = 0; y < height; y += 1) {
    const from = y * width;
    const to = from + 150 - SCRATCH_LINES_REACH;
    expect(a.subarray(from, to)).toEqual(b.subarray(from, to));
  }
});

test("connected pixels are described together, with the length of the rectangle they spread like", () => {
  const mask = new Uint8Array(20 * 10);
  for (let x = 2; x < 14; x += 1) mask[3 * 20 + x] = mask[4 * 20 + x] = 1;
  for (let i = 0; i < 4; i += 1) mask[(5 + i) * 20 + 15 + i] = 1;
  const found: (Component & { pixels: number })[] = [];
  describeComponents(mask, { width: 20, height: 10 }, (component, pixels) =>
    found.push({ ...component, pixels: pixels.length }),
  );
  expect(found).toHaveLength(2);
  expect(found[0]).toMatchObject({ area: 24, pixels: 24 });
  expect(found[0]?.length).toBeCloseTo(12, 5);
  expect(found[1]).toMatchObject({ area: 4, pixels: 4 });
  expect(found[1]?.length).toBeCloseTo(Math.hypot(4, 4), 0);
});
