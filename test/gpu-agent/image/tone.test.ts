import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { analyzePixels } from "#agent/image/analysis.ts";
import type { Pixels } from "#agent/image/pixel-sample.ts";
import { measureTone } from "#agent/image/tone-measure.ts";
import { applyTone, toneCorrection } from "#agent/image/tone.ts";
import {
  asGray,
  asSepia,
  colourPsnr,
  faded,
  fromRows,
  grainy,
  kodakMissing,
  kodakPaths,
  lumaOf,
  lumaPsnr,
  mapped,
  paintScene,
  readScene,
  sampled,
  toRows,
  type Scene,
} from "./scene.ts";

const fadedBlack = [0.13, 0.1, 0.08];
const fadedWhite = [0.93, 0.89, 0.82];

/** The scene as the whole correction leaves it, and whether it touched it. */
function corrected(scene: Pixels, strength = 1): { scene: Scene; isTouched: boolean } {
  const curves = toneCorrection(analyzePixels(sampled(scene)).tone, { strength });
  const rows = toRows(scene);
  if (curves !== undefined) applyTone(rows, curves);
  return { scene: fromRows(rows, scene), isTouched: curves !== undefined };
}

/** Mean of red minus blue: how warm a picture is. */
function warmth(scene: Pixels): number {
  let sum = 0;
  for (let at = 0; at < scene.data.length; at += 3) sum += scene.data[at]! - scene.data[at + 2]!;
  return sum / (scene.data.length / 3);
}

test("a photograph of full range is left exactly as it is, also with grain and in gray", () => {
  for (const scene of [paintScene(), grainy(paintScene(), 0.03), asGray(paintScene())]) {
    expect(corrected(scene).isTouched).toBe(false);
  }
});

test("a faded photograph with a cast comes at least three decibels nearer to what it was", () => {
  const truth = paintScene();
  const print = grainy(faded(truth, fadedBlack, fadedWhite), 0.02);
  const result = corrected(print).scene;
  expect(lumaPsnr(result, truth)).toBeGreaterThan(lumaPsnr(print, truth) + 3);
  expect(Math.abs(warmth(result) - warmth(truth))).toBeLessThan(Math.abs(warmth(print) - warmth(truth)));
});

test("the measured fading and cast grow with the true ones", () => {
  const toneOf = (lost: number, cast: number) =>
    measureTone(
      sampled(faded(paintScene(), [lost + cast, lost, lost], [1 - lost, 1 - lost, 1 - lost])).overview,
      {
        gray: false,
        sepia: false,
      },
    );
  const fadings = [0, 0.08, 0.12, 0.16, 0.2, 0.25].map((lost) => toneOf(lost, 0).fading);
  expect(fadings[0]).toBe(0);
  expect(fadings).toEqual(fadings.toSorted((a, b) => a - b));
  expect(fadings.at(-1)).toBeGreaterThan(0.38);
  expect(toneOf(0.12, 0).cast).toBeLessThan(0.02);
  expect(toneOf(0.12, 0.1).cast).toBeGreaterThan(0.03);
});

test("an evening keeps its warmth: white that is not white is no fading while black is black", () => {
  const evening = mapped(paintScene(), ([red, green, blue]) => [red, 0.8 * green, 0.5 * blue]);
  expect(corrected(evening).isTouched).toBe(false);
});

test("a low-key and a high-key picture are left alone", () => {
  expect(corrected(mapped(paintScene(), (rgb) => rgb.map((level) => 0.6 * level))).isTouched).toBe(false);
  const fog = mapped(paintScene(), (rgb) => rgb.map((level) => 0.85 + 0.13 * level));
  expect(corrected(fog).isTouched).toBe(false);
});

test("a faded gray photograph gains contrast and stays gray to the bit", () => {
  const truth = asGray(paintScene());
  const print = faded(truth, [0.2, 0.2, 0.2], [0.85, 0.85, 0.85]);
  const { scene: result } = corrected(print);
  expect(lumaPsnr(result, truth)).toBeGreaterThan(lumaPsnr(print, truth) + 3);
  for (let at = 0; at < result.data.length; at += 3) {
    expect(result.data[at] === result.data[at + 1] && result.data[at] === result.data[at + 2]).toBe(true);
  }
});

test("a faded sepia print gains contrast and is neither cooled nor coloured", () => {
  const truth = asSepia(paintScene());
  const print = faded(truth, [0.2, 0.2, 0.2], [0.85, 0.85, 0.85]);
  const { scene: result, isTouched } = corrected(print);
  expect(isTouched).toBe(true);
  expect(lumaPsnr(result, truth)).toBeGreaterThan(lumaPsnr(print, truth) + 2);
  expect(warmth(result)).toBeGreaterThan(0.7 * warmth(print));
  expect(warmth(result)).toBeLessThan(1.05 * warmth(truth));
});

test("scratches and dust do not hide the fading", () => {
  const print = faded(paintScene(), fadedBlack, fadedWhite);
  const scratched = { ...print, data: print.data.slice() };
  for (let y = 0; y < print.height; y++) {
    for (const x of [20, 90, 91, 200])
      scratched.data.fill(1, (y * print.width + x) * 3, (y * print.width + x) * 3 + 3);
  }
  const plain = analyzePixels(sampled(print)).tone;
  const marked = analyzePixels(sampled(scratched)).tone;
  expect(marked.fading).toBeGreaterThan(0.7 * plain.fading);
});

test("a white mount around the print does not hide the fading", () => {
  const print = faded(paintScene(), fadedBlack, fadedWhite);
  const mounted = { ...print, data: print.data.slice() };
  for (let y = 0; y < print.height; y++) {
    for (let x = 0; x < print.width; x++) {
      if (x < 5 || y < 4 || x >= print.width - 5 || y >= print.height - 4) {
        mounted.data.fill(1, (y * print.width + x) * 3, (y * print.width + x) * 3 + 3);
      }
    }
  }
  expect(analyzePixels(sampled(mounted)).tone.fading).toBeGreaterThan(0.1);
});

test("pictures too small or too flat to judge are left alone", () => {
  for (const [width, height] of [
    [1, 1],
    [3, 2],
    [8, 8],
    [500, 1],
  ] as const) {
    expect(corrected(faded(paintScene(width, height), fadedBlack, fadedWhite)).isTouched).toBe(false);
  }
  expect(corrected(mapped(paintScene(), () => [0.4, 0.45, 0.5])).isTouched).toBe(false);
});

test("strength goes from nothing to all that was measured", () => {
  const { tone } = analyzePixels(sampled(faded(paintScene(), fadedBlack, fadedWhite)));
  const middle = 20_000;
  const at = (strength: number) => toneCorrection(tone, { strength })?.[1][middle] ?? middle;
  expect(at(0)).toBe(middle);
  expect(at(1)).toBeLessThan(at(0.5));
  expect(at(0.5)).toBeLessThan(at(0));
});

test("curves never fall and every level lands within the range", () => {
  const level = (min: number, max: number) => fc.double({ min, max, noNaN: true });
  const triple = (min: number, max: number) => fc.tuple(level(min, max), level(min, max), level(min, max));
  fc.assert(
    fc.property(triple(-0.05, 0.45), triple(0.6, 1.05), level(0.01, 1), (black, white, strength) => {
      const curves = toneCorrection({ black, white, fading: 0.3, cast: 0.1 }, { strength });
      for (const curve of curves!) {
        for (let step = 256; step < curve.length; step += 256)
          expect(curve[step]).toBeGreaterThanOrEqual(curve[step - 256]!);
      }
    }),
    { numRuns: 20 },
  );
});

test("curves act on their own channel, and a torn row is refused", () => {
  const curve = (value: number) => new Uint16Array(65_536).fill(value);
  const rows = new Uint16Array([1, 2, 3, 40_000, 50_000, 65_535]);
  applyTone(rows, [curve(7), curve(8), curve(9)]);
  expect([...rows]).toEqual([7, 8, 9, 7, 8, 9]);
  expect(() => applyTone(new Uint16Array(4), [curve(7), curve(8), curve(9)])).toThrow("whole RGB pixels");
});

test("the example comes at least one and a half decibels nearer to its original", async () => {
  const example = (name: string) => fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url));
  const portrait = await readScene(example("portrait.jpg"));
  const original = await readScene(example("portrait.original.png"));
  const reduced: Scene = { width: 256, height: 256, data: new Float32Array(256 * 256 * 3) };
  for (let at = 0; at < reduced.data.length; at++) {
    const pixel = Math.floor(at / 3);
    const from = (2 * Math.floor(pixel / 256) * 512 + 2 * (pixel % 256)) * 3 + (at % 3);
    const { data } = original;
    reduced.data[at] = (data[from]! + data[from + 3]! + data[from + 1_536]! + data[from + 1_539]!) / 4;
  }
  const before = lumaPsnr(portrait, reduced);
  expect(lumaPsnr(corrected(portrait).scene, reduced)).toBeGreaterThan(before + 1.5);
});

test.skipIf(kodakMissing)("of twelve Kodak photographs at most one is touched, and that hardly", async () => {
  const touched: number[] = [];
  for (const path of kodakPaths.filter((_, index) => index % 2 === 0)) {
    const photograph = await readScene(path);
    const result = corrected(photograph);
    if (result.isTouched) touched.push(lumaPsnr(result.scene, photograph));
  }
  expect(touched.length).toBeLessThanOrEqual(1);
  expect(Math.min(Infinity, ...touched)).toBeGreaterThan(28);
});

test.skipIf(kodakMissing)(
  "eight Kodak photographs, faded, gain two decibels in the mean and none loses",
  async () => {
    const gains: number[] = [];
    for (const path of kodakPaths.filter((_, index) => index % 3 === 0)) {
      const photograph = await readScene(path);
      const print = grainy(faded(photograph, fadedBlack, fadedWhite), 0.02);
      gains.push(colourPsnr(corrected(print).scene, photograph) - colourPsnr(print, photograph));
    }
    expect(gains.reduce((sum, gain) => sum + gain, 0) / gains.length).toBeGreaterThan(2);
    expect(Math.min(...gains)).toBeGreaterThan(0);
  },
);

test.skipIf(kodakMissing)("a Kodak photograph printed in gray, faded, keeps its gray", async () => {
  const print = faded(asGray(await readScene(kodakPaths[7]!)), [0.2, 0.2, 0.2], [0.8, 0.8, 0.8]);
  const { scene: result, isTouched } = corrected(print);
  expect(isTouched).toBe(true);
  expect(warmth(result)).toBe(0);
  expect(lumaOf([result.data[0]!, result.data[1]!, result.data[2]!])).toBeCloseTo(result.data[0]!, 5);
});
