import { expect, test } from "vitest";
import { Fault } from "#shared/domain/fault.ts";
import type { RasterShape, Samples } from "#agent/image/raster-shape.ts";
import { createTileModel } from "#agent/stages/tile-model.ts";
import { within } from "#agent/stages/tiled-stage.ts";
import { upscale } from "#agent/stages/upscale.ts";
import { noise, paint } from "./image/picture-fixture.ts";
import { entryOf, fakeModel, nearest, openBench } from "./stage-fixture.ts";

const small: RasterShape = { width: 40, height: 24, channels: 3, bits: 8 };
const quick = entryOf("realesr-general-x4v3");

/** That `small` came four times as large, each pixel repeated. */
function expectNearest(result: Samples, samples: Samples): void {
  for (const [x, y] of [
    [0, 0],
    [159, 95],
    [77, 31],
  ] as const) {
    const from = (Math.floor(y / 4) * 40 + Math.floor(x / 4)) * 3;
    expect(result[(y * 160 + x) * 3]).toBe(samples[from]! * 257);
  }
}

test("a ×4 model enlarges each side by four, at sixteen bits, under the lease's prefix", async () => {
  await using bench = await openBench();
  const samples = noise(small);
  const image = await bench.picture("image", small, samples);
  const model = fakeModel(quick, nearest(4));
  const lease = {
    stage: "upscale",
    image,
    model: quick.id,
    scale: 4,
    outputPrefix: "jobs/job_1/upscale/e3-",
  } as const;
  const outcome = await bench.run(upscale, lease, { models: [model] });
  if (outcome.type !== "done") throw new Error(outcome.type);
  const { outputs, model: used } = outcome.result;
  expect(used).toBe(quick.id);
  expect(outputs["image"]).toMatchObject({ width: 160, height: 96, contentType: "image/tiff" });
  expect(outputs["image"]?.key).toMatch(/^jobs\/job_1\/upscale\/e3-[0-9a-f]{16}\.image\.tif$/);
  const result = await bench.raster(outputs["image"]);
  expect(result.shape).toEqual({ width: 160, height: 96, channels: 3, bits: 16 });
  expectNearest(result.samples, samples);
});

test("a ×4 model serves ×2 by halving, and a flat area stays exactly what it was", async () => {
  await using bench = await openBench();
  const image = await bench.picture(
    "image",
    small,
    paint(small, (x) => (x < 20 ? 0.2 : 0.8)),
  );
  const lease = { stage: "upscale", image, model: quick.id, scale: 2 } as const;
  const outcome = await bench.run(upscale, lease, { models: [fakeModel(quick, nearest(4))] });
  if (outcome.type !== "done") throw new Error(outcome.type);
  const { shape, samples } = await bench.raster(outcome.result.outputs["image"]);
  expect(shape).toMatchObject({ width: 80, height: 48 });
  expect(samples[0]).toBe(51 * 257);
  expect(samples.at(-1)).toBe(204 * 257);
});

test("a ×2 model that may serves ×4 in two passes, and the progress only ever grows", async () => {
  await using bench = await openBench();
  const samples = noise(small);
  const image = await bench.picture("image", small, samples);
  const waifu = entryOf("waifu2x-photo-x2");
  const lease = { stage: "upscale", image, model: waifu.id, scale: 4 } as const;
  const outcome = await bench.run(upscale, lease, { models: [fakeModel(waifu, nearest(2, 7))] });
  if (outcome.type !== "done") throw new Error(outcome.type);
  const { shape, samples: result } = await bench.raster(outcome.result.outputs["image"]);
  expect(shape).toEqual({ width: 160, height: 96, channels: 3, bits: 16 });
  expectNearest(result, samples);
  const fractions = bench.progress.map(({ fraction }) => fraction);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  expect(fractions.at(-1)).toBe(1);
});

test("a part of the progress ends where it should for every number of tiles, and never beyond", () => {
  for (const share of [
    [0.2, 1],
    [0, 0.8],
    [1 / 3, 2 / 3],
  ] as const) {
    for (let tiles = 1; tiles < 500; tiles += 1) {
      expect(within(share, tiles / tiles)).toBe(share[1]);
      expect(within(share, 0)).toBe(share[0]);
      for (const done of [1, tiles - 1]) expect(within(share, done / tiles)).toBeLessThanOrEqual(share[1]);
    }
  }
});

test("a gray picture stays one channel", async () => {
  await using bench = await openBench();
  const gray: RasterShape = { ...small, channels: 1 };
  const image = await bench.picture("image", gray, noise(gray));
  const lease = { stage: "upscale", image, model: quick.id, scale: 4 } as const;
  const outcome = await bench.run(upscale, lease, { models: [fakeModel(quick, nearest(4))] });
  if (outcome.type !== "done") throw new Error(outcome.type);
  expect((await bench.raster(outcome.result.outputs["image"])).shape.channels).toBe(1);
});

test("each tile is reported, with the model and how many there are", async () => {
  await using bench = await openBench();
  const image = await bench.picture("image", small, noise(small));
  const tiles = entryOf(quick.id, { tile: { context: 2, multiple: 1, pixelsMax: 400 } });
  const lease = { stage: "upscale", image, model: quick.id, scale: 4 } as const;
  await bench.run(upscale, lease, { models: [fakeModel(tiles, nearest(4))] });
  const running = bench.progress.filter(({ doing }) => doing === "running");
  const total = running[0]?.tilesTotal ?? 0;
  expect(total).toBeGreaterThan(2);
  expect(running.map(({ tilesDone }) => tilesDone)).toEqual(Array.from({ length: total + 1 }, (_, i) => i));
  expect(running.at(-1)).toMatchObject({ fraction: 1, model: quick.id });
});

test.each([
  ["flat", () => new Float32Array(4 * 4 * 3 * 960).fill(0.5)],
  ["far too bright", (scaled: Float32Array) => scaled.map((value) => value * 0.3 + 0.7)],
  ["not a number", (scaled: Float32Array) => scaled.fill(Number.NaN, 5, 6)],
  ["of another size", (scaled: Float32Array) => scaled.subarray(3)],
])("a model whose output is %s fails as invalid, and nothing is stored", async (_name, spoil) => {
  await using bench = await openBench();
  const image = await bench.picture("image", small, noise(small));
  const model = fakeModel(quick, (feed, feeds) => spoil(nearest(4)(feed, feeds)));
  const lease = { stage: "upscale", image, model: quick.id, scale: 4 } as const;
  const outcome = await bench.run(upscale, lease, { models: [model] });
  expect(outcome).toMatchObject({ type: "failed", result: { failure: "model_invalid" } });
  expect((await bench.blobs.list("jobs/job_1/analyze/", { limit: 10 })).rows).toEqual([]);
});

test("when memory runs out the tiles get smaller, and the result is the same", async () => {
  await using bench = await openBench();
  const samples = noise(small);
  const image = await bench.picture("image", small, samples);
  const sizes: number[] = [];
  const cramped = fakeModel(
    entryOf(quick.id, { tile: { context: 2, multiple: 1, pixelsMax: 960 } }),
    (feed, feeds) => {
      const pixels = feed.data.length / 3;
      sizes.push(pixels);
      if (pixels > 300) throw new Fault("busy", "memory_exhausted", "too large");
      return nearest(4)(feed, feeds);
    },
  );
  const lease = { stage: "upscale", image, model: quick.id, scale: 4 } as const;
  const outcome = await bench.run(upscale, lease, { models: [cramped] });
  if (outcome.type !== "done") throw new Error(outcome.type);
  expect(sizes[0]).toBe(960);
  expect(sizes.at(-1)).toBeLessThanOrEqual(300);
  const result = await bench.raster(outcome.result.outputs["image"]);
  expect(result.samples[0]).toBe(samples[0]! * 257);
});

test("when no tile is small enough the failure is out of memory", async () => {
  await using bench = await openBench();
  const image = await bench.picture("image", small, noise(small));
  const full = fakeModel(quick, () => {
    throw new Fault("busy", "memory_exhausted", "too large");
  });
  const lease = { stage: "upscale", image, model: quick.id, scale: 4 } as const;
  expect(await bench.run(upscale, lease, { models: [full] })).toMatchObject({
    result: { failure: "gpu_oom" },
  });
});

test("a model without padding of its own sees the picture mirrored around its edge", async () => {
  await using bench = await openBench();
  const samples = noise(small);
  const image = await bench.picture("image", small, samples);
  const waifu = entryOf("waifu2x-photo-x2");
  const lease = { stage: "upscale", image, model: waifu.id, scale: 2 } as const;
  const outcome = await bench.run(upscale, lease, { models: [fakeModel(waifu, nearest(2, 7))] });
  if (outcome.type !== "done") throw new Error(outcome.type);
  const result = await bench.raster(outcome.result.outputs["image"]);
  expect(result.shape).toMatchObject({ width: 80, height: 48 });
  expect(result.samples[0]).toBe(samples[0]! * 257);
  expect(result.samples.at(-1)).toBe(samples.at(-1)! * 257);
});

test("a model of luma leaves the chroma where it was", async () => {
  const fsrcnn = entryOf("fsrcnn-x4-luma");
  const brighter = fakeModel(fsrcnn, (feed, feeds) => nearest(4)(feed, feeds).map((value) => value + 0.1));
  const planes = new Float32Array(3 * 64);
  for (const [channel, level] of [0.6, 0.3, 0.2].entries())
    planes.fill(level, channel * 64, channel * 64 + 64);
  const large = await createTileModel(brighter, {})(planes, { width: 8, height: 8 });
  expect(large).toHaveLength(3 * 32 * 32);
  for (const [channel, level] of [0.7, 0.4, 0.3].entries())
    expect(large[channel * 1024 + 500]).toBeCloseTo(level, 5);
});

test("a model with a noise input is given the level that was measured", async () => {
  const ffdnet = entryOf("ffdnet-color");
  const given: unknown[] = [];
  const model = fakeModel(ffdnet, (feed, feeds) => {
    given.push(feeds["sigma"]);
    return Float32Array.from(feed.data);
  });
  await createTileModel(model, { sigma: 0.1 })(new Float32Array(3 * 64), { width: 8, height: 8 });
  expect(given).toEqual([{ data: new Float32Array([0.1]), dims: [1, 1, 1, 1] }]);
  expect(() => createTileModel(model, {})).toThrow(/sigma/);
});

test.each([
  ["is not here", { model: "esrgan-thick", scale: 4 }, "model_missing"],
  ["is not named by the plan", { scale: 4 }, "model_missing"],
  ["enlarges by too little", { model: "nomos-span-x2", scale: 4 }, "model_invalid"],
] as const)("a model that %s is an answer of its own", async (_name, change, failure) => {
  await using bench = await openBench();
  const image = await bench.picture("image", small, noise(small));
  const models = [fakeModel(entryOf("nomos-span-x2"), nearest(2))];
  expect(await bench.run(upscale, { stage: "upscale", image, ...change }, { models })).toMatchObject({
    type: "failed",
    result: { failure },
  });
});

test("an aborted run stops between tiles and leaves nothing behind", async () => {
  await using bench = await openBench();
  const image = await bench.picture("image", small, noise(small));
  const stop = new AbortController();
  let tiles = 0;
  const model = fakeModel(
    entryOf(quick.id, { tile: { context: 2, multiple: 1, pixelsMax: 400 } }),
    (feed, feeds) => {
      tiles += 1;
      stop.abort();
      return nearest(4)(feed, feeds);
    },
  );
  const lease = { stage: "upscale", image, model: quick.id, scale: 4 } as const;
  expect(await bench.run(upscale, lease, { models: [model], signal: stop.signal })).toEqual({
    type: "aborted",
  });
  expect(tiles).toBe(1);
});
