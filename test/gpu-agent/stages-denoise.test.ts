import { expect, test } from "vitest";
import type { IntakeMeasures } from "#shared/domain/analysis.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import type { RasterShape, Samples } from "#agent/image/raster-shape.ts";
import { createBuiltIn } from "#agent/stages/built-in.ts";
import { denoise } from "#agent/stages/denoise.ts";
import { sampleAnalysis } from "../domain/sample-analysis.ts";
import { noise, paint } from "./image/picture-fixture.ts";
import { sampleLease } from "./sample-lease.ts";
import { entryOf, fakeModel, nearest, openBench, optionsOf } from "./stage-fixture.ts";

const shape: RasterShape = { width: 48, height: 40, channels: 3, bits: 8 };
const ffdnet = entryOf("ffdnet-color");
const dejpeg = entryOf("dncnn3-dejpeg-luma");

const grainy = sampleAnalysis({ noise: 8 / 255 });
const measuresOf = (change: Partial<IntakeMeasures>): IntakeMeasures => ({
  ...sampleLease().measures,
  ...change,
});

test("blocks go first and the grain after them, each by its own model, told how strong", async () => {
  await using bench = await openBench();
  const image = await bench.picture("image", shape, noise(shape));
  const told: string[] = [];
  const first = fakeModel(dejpeg, (feed) => {
    told.push(`${dejpeg.id} ${feed.dims[1]}`);
    return nearest(1)(feed, {});
  });
  const second = fakeModel(ffdnet, (feed, feeds) => {
    told.push(`${ffdnet.id} ${((feeds["sigma"]?.data[0] ?? 0) * 255).toFixed(1)}`);
    return nearest(1)(feed, {});
  });
  const lease = {
    stage: "denoise",
    image,
    model: ffdnet.id,
    analysis: grainy,
    measures: measuresOf({ jpegQuality: 60 }),
  } as const;
  const outcome = await bench.run(denoise, lease, { models: [first, second] });
  if (outcome.type !== "done") throw new Error(outcome.type);
  expect(told).toEqual(["dncnn3-dejpeg-luma 1", "ffdnet-color 12.0"]);
  expect(outcome.result.model).toBe(ffdnet.id);
  const result = await bench.raster(outcome.result.outputs["image"]);
  expect(result.shape).toEqual({ ...shape, bits: 16 });
  const fractions = bench.progress.map(({ fraction }) => fraction);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
});

test("models that change nothing leave every 16-bit sample of the picture as it was", async () => {
  await using bench = await openBench();
  const deep: RasterShape = { ...shape, bits: 16 };
  const samples = noise(deep);
  const image = await bench.picture("image", deep, samples);
  const lease = { stage: "denoise", image, model: ffdnet.id, analysis: grainy } as const;
  const outcome = await bench.run(denoise, lease, { models: [fakeModel(ffdnet, nearest(1))] });
  if (outcome.type !== "done") throw new Error(outcome.type);
  const result = await bench.raster(outcome.result.outputs["image"]);
  expect(Buffer.compare(Buffer.from(result.samples.buffer), Buffer.from(samples.buffer))).toBe(0);
});

test("without weights the built-in methods take grain away, and a tile's border does not show", async () => {
  await using bench = await openBench();
  const wide: RasterShape = { width: 96, height: 64, channels: 3, bits: 16 };
  const grain = noise(wide);
  const print = paint(wide, () => 0.5).map((level, i) => level + (grain[i]! - 32_768) / 10);
  const image = await bench.picture("image", wide, print);
  const entry = entryOf("cosine-denoise");
  const tiled = { ...entry, tile: { ...entry.tile, pixelsMax: 40 * 40 } };
  const cleaned = async (each: ModelEntry): Promise<Samples> => {
    const lease = { stage: "denoise", image, model: each.id, analysis: grainy } as const;
    const models = [{ ...createBuiltIn(entry), entry: each }];
    const outcome = await bench.run(denoise, lease, { models });
    if (outcome.type !== "done") throw new Error(outcome.type);
    return (await bench.raster(outcome.result.outputs["image"])).samples;
  };
  const whole = await cleaned(entry);
  const parts = await cleaned(tiled);
  const power = (samples: ArrayLike<number>): number =>
    Array.from(samples).reduce((sum, level) => sum + (level - 32_768) ** 2, 0);
  expect(power(whole)).toBeLessThan(0.5 * power(print));
  for (const [i, level] of parts.entries()) expect(Math.abs(level - whole[i]!)).toBeLessThanOrEqual(1);
});

test("the smallest picture passes through what is built in", async () => {
  await using bench = await openBench();
  const dot: RasterShape = { width: 1, height: 1, channels: 3, bits: 8 };
  const image = await bench.picture("image", dot, noise(dot));
  const models = ["cosine-deblock", "cosine-denoise"].map((id) => createBuiltIn(entryOf(id)));
  const measures = measuresOf({ jpegQuality: 30 });
  const lease = { stage: "denoise", image, model: "cosine-denoise", analysis: grainy, measures } as const;
  const outcome = await bench.run(denoise, lease, { models });
  if (outcome.type !== "done") throw new Error(outcome.type);
  expect((await bench.raster(outcome.result.outputs["image"])).shape).toEqual({ ...dot, bits: 16 });
});

test("a stage that finds no model for what is called for fails as missing", async () => {
  await using bench = await openBench();
  const image = await bench.picture("image", shape, noise(shape));
  const lease = {
    stage: "denoise",
    image,
    analysis: grainy,
    options: optionsOf({ operations: { denoise: true } }),
  } as const;
  const outcome = await bench.run(denoise, lease);
  expect(outcome).toMatchObject({ type: "failed", result: { failure: "model_missing" } });
});
