import { readFile } from "node:fs/promises";
import fc from "fast-check";
import sharp from "sharp";
import { expect, test } from "vitest";
import type { Analysis } from "#shared/domain/analysis.ts";
import type { RasterShape } from "#agent/image/raster-shape.ts";
import { finish } from "#agent/stages/finish.ts";
import { resizeThumbnail } from "#agent/image/comparison.ts";
import { createPreviewer } from "#agent/stages/preview.ts";
import { noise, paint } from "./image/picture-fixture.ts";
import { sampleLease } from "./sample-lease.ts";
import { openBench, optionsOf, type Bench } from "./stage-fixture.ts";
import { creditsOf } from "#functions/intake/credits.ts";

const original: RasterShape = { width: 300, height: 200, channels: 3, bits: 8 };
const result: RasterShape = { width: 1200, height: 800, channels: 3, bits: 16 };
const sound: Analysis = {
  noise: 0,
  sharpness: 1,
  gray: false,
  sepia: false,
  tone: { black: [0, 0, 0], white: [1, 1, 1], fading: 0, cast: 0 },
  faces: [],
  facesUnknown: true,
};
const faded: Analysis = {
  ...sound,
  tone: { black: [0.2, 0.2, 0.2], white: [0.8, 0.8, 0.8], fading: 0.4, cast: 0 },
};

async function run(bench: Bench, change: Parameters<Bench["run"]>[1]) {
  const outcome = await bench.run(finish, {
    stage: "finish",
    outputPrefix: "jobs/job_1/finish/e1-",
    ...change,
  });
  if (outcome.type !== "done") throw new Error(JSON.stringify(outcome));
  return outcome.result;
}

async function pixelsOf(path: string) {
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  return {
    data,
    info,
    at: (x: number, y: number) =>
      [...data.subarray((y * info.width + x) * info.channels)].slice(0, info.channels),
  };
}

test("the result is written as asked, with two previews and both in one picture", async () => {
  await using bench = await openBench();
  const before = await bench.picture(
    "before",
    original,
    paint(original, () => 0.25),
  );
  const image = await bench.picture(
    "image",
    result,
    paint(result, (_x, _y, channel) => (channel === 0 ? 0.8 : 0.4)),
  );
  const { outputs } = await run(bench, { original: before, image, analysis: sound });
  expect(Object.keys(outputs).sort()).toEqual(["after", "before", "comparison", "image"]);
  expect(outputs["image"]).toMatchObject({ width: 1200, height: 800, contentType: "image/png" });
  expect(outputs["before"]).toMatchObject({ width: 300, height: 200, contentType: "image/jpeg" });
  expect(outputs["after"]).toMatchObject({ width: 1200, height: 800, contentType: "image/jpeg" });
  const { at } = await pixelsOf(await bench.file(outputs["image"]));
  expect(at(1199, 799)).toEqual([204, 102, 102]);
  for (const [name, colour] of [
    ["before", [64, 64, 64]],
    ["after", [204, 102, 102]],
  ] as const) {
    const preview = await pixelsOf(await bench.file(outputs[name]));
    for (const [i, level] of preview.at(50, 50).entries())
      expect(Math.abs(level - colour[i]!)).toBeLessThan(6);
  }
});

test("before and after stand side by side at one size, with a white line between", async () => {
  await using bench = await openBench();
  const before = await bench.picture(
    "before",
    original,
    paint(original, () => 0.2),
  );
  const image = await bench.picture(
    "image",
    result,
    paint(result, () => 0.8),
  );
  const { outputs } = await run(bench, { original: before, image, analysis: sound });
  expect(outputs["comparison"]).toMatchObject({ width: 1204, height: 400, contentType: "image/jpeg" });
  const { at } = await pixelsOf(await bench.file(outputs["comparison"]));
  for (const [x, level] of [
    [10, 51],
    [590, 51],
    [601, 255],
    [614, 204],
    [1_190, 204],
  ] as const) {
    for (const channel of at(x, 300)) expect(Math.abs(channel - level)).toBeLessThan(24);
  }
});

test("stored digests are those of the stored bytes", async () => {
  await using bench = await openBench();
  const image = await bench.picture("image", original, noise(original));
  const { outputs } = await run(bench, { original: image, image });
  for (const blob of Object.values(outputs)) {
    const bytes = await readFile(await bench.file(blob));
    const digest = Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
    expect(blob).toMatchObject({ bytes: bytes.length, sha256: digest });
  }
});

test("fading is undone as it was measured, unless tone is switched off", async () => {
  await using bench = await openBench();
  const image = await bench.picture(
    "image",
    original,
    paint(original, (x) => (x < 150 ? 0.2 : 0.8)),
  );
  const corrected = await run(bench, { original: image, image, analysis: faded });
  const { at } = await pixelsOf(await bench.file(corrected.outputs["image"]));
  expect([at(0, 0), at(299, 0)]).toEqual([
    [0, 0, 0],
    [255, 255, 255],
  ]);
  const options = optionsOf({ operations: { tone: false } });
  const left = await run(bench, { original: image, image, analysis: faded, options });
  const plain = await pixelsOf(await bench.file(left.outputs["image"]));
  expect([plain.at(0, 0), plain.at(299, 0)]).toEqual([
    [51, 51, 51],
    [204, 204, 204],
  ]);
});

test("the preview after shows the correction, the preview before does not", async () => {
  await using bench = await openBench();
  const image = await bench.picture(
    "image",
    original,
    paint(original, () => 0.2),
  );
  const { outputs } = await run(bench, { original: image, image, analysis: faded });
  expect((await pixelsOf(await bench.file(outputs["before"]))).at(9, 9)[0]).toBeGreaterThan(45);
  expect((await pixelsOf(await bench.file(outputs["after"]))).at(9, 9)[0]).toBeLessThan(6);
});

test("a gray photograph comes out gray, unless colour was asked for", async () => {
  await using bench = await openBench();
  const image = await bench.picture(
    "image",
    original,
    paint(original, (_x, _y, channel) => 0.5 + channel / 100),
  );
  const gray = { ...sound, gray: true };
  const plain = await run(bench, { original: image, image, analysis: gray });
  expect((await sharp(await bench.file(plain.outputs["image"])).metadata()).channels).toBe(1);
  const options = optionsOf({ operations: { colorize: true } });
  const coloured = await run(bench, { original: image, image, analysis: gray, options });
  expect((await sharp(await bench.file(coloured.outputs["image"])).metadata()).channels).toBe(3);
});

test("a picture of one channel is corrected too", async () => {
  await using bench = await openBench();
  const one: RasterShape = { ...original, channels: 1 };
  const image = await bench.picture(
    "image",
    one,
    paint(one, () => 0.8),
  );
  const { outputs } = await run(bench, { original: image, image, analysis: { ...faded, gray: true } });
  expect((await pixelsOf(await bench.file(outputs["image"]))).data[0]).toBe(255);
});

test("transparency is kept in the result, and laid over white in the previews", async () => {
  await using bench = await openBench();
  const image = await bench.picture(
    "image",
    result,
    paint(result, () => 0),
  );
  const before = await bench.picture(
    "before",
    original,
    paint(original, () => 0),
  );
  const mask: RasterShape = { ...original, channels: 1 };
  const alpha = await bench.picture(
    "alpha",
    mask,
    paint(mask, (x) => (x < 150 ? 0 : 1)),
  );
  const { outputs } = await run(bench, { original: before, image, alpha });
  const { info, at } = await pixelsOf(await bench.file(outputs["image"]));
  expect(info.channels).toBe(4);
  expect([at(10, 10)[3], at(1190, 10)[3]]).toEqual([0, 255]);
  for (const name of ["before", "after"]) {
    const preview = await pixelsOf(await bench.file(outputs[name]));
    expect(preview.at(9, 99)[0]).toBeGreaterThan(250);
    expect(preview.at(preview.info.width - 9, 99)[0]).toBeLessThan(6);
  }
});

test("what a format cannot hold is said in the warnings", async () => {
  await using bench = await openBench();
  const image = await bench.picture("image", original, noise(original));
  const options = optionsOf({ output: { format: "jpeg", bits: 16 } });
  const { outputs, warnings } = await run(bench, { original: image, image, options });
  expect(outputs["image"]?.contentType).toBe("image/jpeg");
  expect(outputs["image"]?.key).toMatch(/\.jpg$/);
  expect(warnings).toEqual(["JPEG holds 8 bits a sample, not 16."]);
});

test.each(["png", "jpeg", "webp", "tiff"] as const)(
  "%s: author, copyright and date are in the result when they were asked for, and never unasked",
  async (format) => {
    await using bench = await openBench();
    const image = await bench.picture("image", original, noise(original));
    const { measures } = sampleLease();
    const credits = { author: "Ruth Gruber", copyright: "© 1946 <Archive>", takenAt: "1946-05-14T12:30:00" };
    const xmpOf = async (keep_credits: boolean) => {
      const options = optionsOf({ output: { format, keep_credits } });
      const change = { original: image, image, options, measures: { ...measures, credits } };
      const { outputs } = await run(bench, change);
      return (await sharp(await bench.file(outputs["image"])).metadata()).xmp;
    };
    const asked = await xmpOf(true);
    expect(creditsOf({ xmp: asked })).toEqual(credits);
    const unasked = await xmpOf(false);
    expect(creditsOf({ xmp: unasked })).toBeUndefined();
    for (const xmp of [asked, unasked]) expect(xmp?.toString()).toContain("DigitalSourceType>http");
  },
);

test("a preview halved exactly is the mean of each four pixels", () => {
  const shape: RasterShape = { width: 8, height: 4, channels: 3, bits: 16 };
  const samples = noise(shape) as Uint16Array;
  const previewer = createPreviewer(shape, 4);
  previewer.push(samples.subarray(0, 3 * 8 * 3));
  previewer.push(samples.subarray(3 * 8 * 3));
  const { data, width, height } = previewer.finish();
  expect([width, height]).toEqual([4, 2]);
  const sample = (x: number, y: number): number => samples[(y * 8 + x) * 3 + 1]! / 65_535;
  expect(data[(1 * 4 + 2) * 3 + 1]).toBeCloseTo(
    (sample(4, 2) + sample(5, 2) + sample(4, 3) + sample(5, 3)) / 4,
    5,
  );
});

test("a preview of any size keeps the mean, fits its side, and keeps the proportions", () => {
  const side = fc.integer({ min: 1, max: 70 });
  fc.assert(
    fc.property(side, side, fc.constantFrom<1 | 3>(1, 3), side, (width, height, channels, sideMax) => {
      const shape = { width, height, channels, bits: 16 as const };
      const samples = noise(shape, width * 71 + height) as Uint16Array;
      const previewer = createPreviewer(shape, sideMax);
      previewer.push(samples);
      const small = previewer.finish();
      expect(Math.max(small.width, small.height)).toBe(Math.min(sideMax, Math.max(width, height)));
      const mean = (all: ArrayLike<number>): number =>
        Array.from(all).reduce((sum, each) => sum + each, 0) / all.length;
      expect(mean(small.data)).toBeCloseTo(mean(samples) / 65_535, 4);
    }),
  );
});

test("a hard edge stays black and white when a thumbnail is enlarged", async () => {
  const data = Uint8ClampedArray.from({ length: 8 * 8 * 3 }, (_, i) => (i % 24 < 12 ? 0 : 255));
  const large = await resizeThumbnail({ data, width: 8, height: 8 }, { width: 32, height: 24 });
  expect([large.width, large.height, large.data.length]).toEqual([32, 24, 32 * 24 * 3]);
  // Bicubic overshoots on both sides of an edge; what leaves the range must not come back at its other end.
  for (let x = 0; x < 32; x += 1) {
    if (Math.abs(x - 15.5) < 2) continue;
    expect(Math.abs(large.data[(12 * 32 + x) * 3]! - (x < 16 ? 0 : 255))).toBeLessThan(25);
  }
});
