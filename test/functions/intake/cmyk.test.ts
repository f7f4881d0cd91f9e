import { afterAll, beforeAll, expect, test } from "vitest";
import { createIntakeFixture, samplesOf, type IntakeFixture } from "./intake-fixture.ts";
import { flatJpeg } from "../../corpus/flat-jpeg.ts";
import { inkProfile } from "../../corpus/icc-profile.ts";
import { withIcc } from "../../corpus/jpeg-segment.ts";

let fixture: IntakeFixture;

beforeAll(async () => {
  fixture = await createIntakeFixture();
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** Cyan, magenta, yellow and key, 255 for as much as goes on paper. */
type Ink = readonly [number, number, number, number];

const inks: readonly Ink[] = [
  [0, 0, 0, 0],
  [255, 0, 0, 0],
  [0, 255, 0, 0],
  [0, 0, 255, 0],
  [0, 0, 0, 255],
  [255, 255, 255, 255],
  [120, 60, 30, 0],
  [40, 90, 160, 50],
  [0, 0, 0, 128],
];

/** Adobe's programs store how much ink there is not. */
const stored = inks.map((ink) => ink.map((amount) => 255 - amount));

/** The colour of each block. */
async function coloursOf(file: Buffer): Promise<number[][]> {
  const { image, measures } = await fixture.intake(file);
  expect(measures).toMatchObject({ width: 8 * inks.length, warnings: [expect.stringContaining("CMYK")] });
  const samples = await samplesOf(image, measures.width * 8 * 3, 8);
  return inks.map((_, block) => [...samples.subarray(3 * (8 * block + 4), 3 * (8 * block + 5))]);
}

function farthest(some: readonly number[][], others: readonly number[][]): number {
  return Math.max(...some.flat().map((level, at) => Math.abs(level - others.flat()[at]!)));
}

test("without a profile inks look as on offset paper: none is white, all are black, each has its colour", async () => {
  const [paper, cyan, magenta, yellow, key, all, , , half] = await coloursOf(flatJpeg(stored, 0));
  expect([paper, all]).toEqual([
    [255, 255, 255],
    [0, 0, 0],
  ]);
  const inOrder = (
    [low, middle, high]: number[],
    order: readonly [number, number, number],
    colour: number[],
  ) =>
    expect(order.every((channel, at) => Math.abs(colour[channel]! - [low, middle, high][at]!) < 25)).toBe(
      true,
    );
  // The usual looks of the full inks, from the least channel to the largest.
  inOrder([0, 150, 230], [0, 1, 2], cyan!);
  inOrder([0, 130, 235], [1, 2, 0], magenta!);
  inOrder([0, 240, 255], [2, 1, 0], yellow!);
  expect(Math.max(...key!)).toBeLessThan(40);
  expect(Math.max(...half!) - Math.min(...half!)).toBeLessThan(6);
});

test("the same inks stored as YCCK look the same", async () => {
  const ycck = inks.map(([c, m, y, k]) => [
    0.299 * c + 0.587 * m + 0.114 * y,
    128 - 0.168736 * c - 0.331264 * m + 0.5 * y,
    128 + 0.5 * c - 0.418688 * m - 0.081312 * y,
    255 - k,
  ]);
  const levels = ycck.map((block) => block.map((level) => Math.min(255, Math.round(level))));
  const some = await coloursOf(flatJpeg(stored, 0));
  expect(farthest(some, await coloursOf(flatJpeg(levels, 2)))).toBeLessThanOrEqual(3);
  // Were the transform overlooked, the colours would be others: this test can tell.
  expect(farthest(some, await coloursOf(flatJpeg(levels, 0)))).toBeGreaterThan(50);
});

test("a profile of inks is obeyed, whatever it says", async () => {
  // "Cyan" is red, "key" is gray, everything else but paper is black.
  const white = [100, 0, 0] as const;
  const [red, gray, black] = [[53, 80, 67] as const, [60, 0, 0] as const, [0, 0, 0] as const];
  const looks = [white, gray, ...Array.from({ length: 14 }, (_, at) => (at === 6 ? red : black))];
  const [paper, cyan, magenta, , key] = await coloursOf(withIcc(flatJpeg(stored, 0), inkProfile(looks)));
  expect(paper).toEqual([255, 255, 255]);
  expect(cyan![0]).toBeGreaterThan(240);
  expect(Math.max(cyan![1]!, cyan![2]!)).toBeLessThan(40);
  // L* 60 is level 145 of sRGB.
  for (const level of key!) expect(Math.abs(level - 145)).toBeLessThan(4);
  expect(magenta).toEqual([0, 0, 0]);
});
