import { expect, test } from "vitest";
import { levelsProblem } from "#agent/image/levels.ts";
import type { RasterShape, Samples } from "#agent/image/raster-shape.ts";
import { packPlanes, plainLayout, reflect, type PlaneLayout } from "#agent/image/tensor.ts";
import { planTiles, seamLines, type TilePlan } from "#agent/image/tile.ts";
import { ModelOutputError, runTiled, type TiledPass } from "#agent/image/tiled.ts";
import { seamScore } from "../../measures/seam-score.ts";
import { memorySink, memorySource, noise, paint, sameSamples } from "./picture-fixture.ts";
import { enlargingModel, identityModel } from "./stand-in-model.ts";

const wide: RasterShape = { width: 203, height: 157, channels: 3, bits: 16 };
const manyTiles = (shape: RasterShape): TilePlan =>
  planTiles({ ...shape, context: 6, multiple: 8, tilePixelsMax: 64 ** 2 });

interface Pass extends Partial<Omit<TiledPass, "reader" | "writer">> {
  /** How much larger the result is; the model's scale by default. */
  resultScale?: number;
  outputChannels?: 1 | 3;
}

/** Runs a model over a picture in memory. */
async function restore(shape: RasterShape, picture: Samples, pass: Pass = {}) {
  const { resultScale = pass.scale ?? 1, outputChannels = shape.channels, ...rest } = pass;
  const size = { width: shape.width * resultScale, height: shape.height * resultScale };
  const sink = memorySink({ ...size, channels: outputChannels, bits: 16 });
  const reader = memorySource(shape, picture);
  const levels = await runTiled({
    reader,
    writer: sink,
    plan: manyTiles(shape),
    run: identityModel,
    scale: 1,
    ...rest,
  });
  return { ...sink, levels, picture: { data: sink.samples, ...size, channels: outputChannels as 1 | 3 } };
}

test.each<[string, RasterShape, PlaneLayout]>([
  ["RGB", wide, plainLayout],
  ["BGR 0..255", wide, { order: "bgr", range: 255 }],
  ["RGB 0..0.18", wide, { order: "rgb", range: 0.18 }],
  ["gray", { ...wide, channels: 1 }, plainLayout],
  ["one pixel", { ...wide, width: 1, height: 1 }, plainLayout],
  ["a line", { ...wide, width: 1, height: 3000 }, plainLayout],
  ["a row", { ...wide, width: 3000, height: 2 }, plainLayout],
])("a model that changes nothing leaves every sample as it was: %s", async (_, shape, layout) => {
  const picture = noise(shape);
  const result = await restore(shape, picture, { input: layout });
  expect(sameSamples(result.samples, picture)).toBe(true);
});

test("8-bit samples become the 16-bit samples of the same brightness", async () => {
  const shape: RasterShape = { ...wide, bits: 8 };
  const picture = noise(shape);
  const { samples } = await restore(shape, picture);
  expect(
    sameSamples(
      samples,
      Uint16Array.from(picture, (value) => value * 257),
    ),
  ).toBe(true);
});

const level = {
  flat: () => 0.4,
  gradient: (x: number, y: number) => (x + y) / (wide.width + wide.height),
  checkerboard: (x: number, y: number) => (Math.floor(x / 5) + Math.floor(y / 5)) % 2,
};
test.each(["flat", "gradient", "checkerboard"] as const)(
  "a %s picture enlarged in tiles shows no seam and equals the one made in one shot",
  async (name) => {
    const shape: RasterShape = { ...wide, width: 101, height: 83 };
    const picture = paint(shape, level[name]);
    const run = enlargingModel({ scale: 4, blur: 4 });
    const plan = planTiles({ ...shape, context: 2, multiple: 4, tilePixelsMax: 32 ** 2 });
    const oneShot = planTiles({ ...shape, context: 0, multiple: 1, tilePixelsMax: 1 << 20 });
    expect(plan.tiles).toBeGreaterThan(9);
    expect(oneShot.tiles).toBe(1);
    const tiled = await restore(shape, picture, { run, scale: 4, plan });
    const whole = await restore(shape, picture, { run, scale: 4, plan: oneShot });
    expect(sameSamples(tiled.samples, whole.samples)).toBe(true);
    const lines = seamLines(plan, 4);
    expect(
      seamScore(tiled.picture, { ...lines, reachPixels: 20, reference: whole.picture }),
    ).toBeLessThanOrEqual(1.05);
    expect(seamScore(tiled.picture, { ...lines, reachPixels: 20 })).toBeLessThanOrEqual(1.05);
  },
);

test("tiles halved one by one equal the whole picture halved, at its edges too", async () => {
  const shape: RasterShape = { ...wide, width: 97, height: 75 };
  const picture = noise(shape);
  const run = enlargingModel({ scale: 4, blur: 2 });
  // One pixel for the model, one for the halving.
  const plan = planTiles({ ...shape, context: 2, multiple: 8, tilePixelsMax: 40 ** 2 });
  const oneShot = planTiles({ ...shape, context: 0, multiple: 1, tilePixelsMax: 1 << 20 });
  const half = { run, scale: 4, halve: true, resultScale: 2 };
  const tiled = await restore(shape, picture, { ...half, plan });
  const whole = await restore(shape, picture, { ...half, plan: oneShot });
  expect(plan.tiles).toBeGreaterThan(4);
  expect(sameSamples(tiled.samples, whole.samples)).toBe(true);
});

test("padding never shows: a padded single tile equals the unpadded one", async () => {
  const shape: RasterShape = { ...wide, width: 37, height: 29 };
  const picture = paint(shape, (x, y) => (Math.floor(x / 3) + y) / 45);
  const plan = planTiles({ ...shape, context: 4, multiple: 64, tilePixelsMax: 64 ** 2 });
  const sizes: number[] = [];
  const result = await restore(shape, picture, {
    plan,
    run: async (input, { width, height }) => {
      sizes.push(width, height);
      return input.slice();
    },
  });
  expect(sizes).toEqual([64, 64]);
  expect(sameSamples(result.samples, picture)).toBe(true);
});

test.each([
  ["rgb", 0],
  ["bgr", 2],
] as const)("a model in %s order finds red in plane %i", async (order, plane) => {
  const picture = paint(wide, (_x, _y, channel) => (channel === 0 ? 1 : 0.25));
  const result = await restore(wide, picture, {
    input: { order, range: 1 },
    run: async (input, { width, height }) => {
      const output = input.slice();
      output.fill(0.5, plane * width * height, (plane + 1) * width * height);
      return output;
    },
  });
  expect([...result.samples.subarray(0, 3)]).toEqual([32_768, 16_384, 16_384]);
});

test("what goes in and what comes out may differ in order and range", async () => {
  const picture = noise(wide);
  const result = await restore(wide, picture, {
    input: { order: "bgr", range: 255 },
    output: { order: "rgb", range: 1 },
    run: async (input, { width, height }) => {
      const plane = width * height;
      const output = input.map((value) => value / 255);
      const blue = output.slice(0, plane);
      output.copyWithin(0, 2 * plane);
      output.set(blue, 2 * plane);
      return output;
    },
  });
  expect(sameSamples(result.samples, picture)).toBe(true);
});

test("a gray result is the luma of the model's planes", async () => {
  const picture = paint(wide, (_x, _y, channel) => [1, 0.5, 0][channel]!);
  const { samples } = await restore(wide, picture, { outputChannels: 1 });
  expect(samples[100]).toBe(Math.round((0.299 + 0.587 * (32_768 / 65_535)) * 65_535));
});

test("values beyond black and white are clipped", async () => {
  const halves = paint(wide, (x) => (x < 100 ? 0 : 1));
  const { samples } = await restore(wide, halves, {
    run: async (input) => input.map((value) => (value > 0.5 ? 1e9 : -1e9)),
  });
  expect(samples[0]).toBe(0);
  expect(samples[150 * 3]).toBe(65_535);
});

test.each([Number.NaN, Infinity, -Infinity])(
  "a single %d among the values of the picture stops the run",
  async (bad) => {
    let tile = 0;
    const run: TiledPass["run"] = async (input, { width, height }) => {
      const output = input.slice();
      tile += 1;
      if (tile === 5) output[Math.floor(height / 2) * width + Math.floor(width / 2)] = bad;
      return output;
    };
    const failure = restore(wide, noise(wide), { run });
    await expect(failure).rejects.toThrow(ModelOutputError);
    await expect(failure).rejects.toMatchObject({ code: "model_invalid" });
    expect(tile).toBe(5);
  },
);

test("tiles as wide as the picture fade into each other row by row, in RGB and in gray", async () => {
  for (const channels of [3, 1] as const) {
    const shape: RasterShape = { width: 1500, height: 1800, channels, bits: 16 };
    const picture = noise(shape);
    const { y } = planTiles({ width: 4, height: 1800, context: 6, multiple: 4, tilePixelsMax: 4 * 700 });
    const x = { length: 1500, tile: 1500, starts: [0], fades: [], blend: y.blend };
    const plan: TilePlan = { x, y, tiles: y.starts.length, computedPixels: 1500 * y.tile * y.starts.length };
    expect(plan.tiles).toBe(3);
    const same = await restore(shape, picture, { plan });
    expect(sameSamples(same.samples, picture)).toBe(true);
    // Each tile a little brighter than the one above: between them the level rises evenly, without a step.
    let tile = 0;
    const run: TiledPass["run"] = async (input) => {
      tile += 1;
      return input.map(() => 0.2 * tile);
    };
    const { samples } = await restore(shape, picture, { plan, run });
    const column = Array.from({ length: shape.height }, (_, y) => samples[y * 1500 * channels]! / 65_535);
    const steps = column.slice(1).map((level, y) => level - column[y]!);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...steps)).toBeLessThan(0.07);
    expect(column.at(-1)).toBeCloseTo(0.2 * tile, 4);
  }
});

test("a NaN in the last row of a tile as wide as the picture stops the run too", async () => {
  const plan = planTiles({ ...wide, context: 6, multiple: 1, tilePixelsMax: wide.width * wide.height });
  const run: TiledPass["run"] = async (input, { width, height }) => {
    const output = input.slice();
    output[(height - 1) * width] = Number.NaN;
    return output;
  };
  await expect(restore(wide, noise(wide), { plan, run })).rejects.toThrow(ModelOutputError);
});

test("an answer of the wrong size stops the run", async () => {
  const failure = restore(wide, noise(wide), { run: async (input) => input.subarray(1) });
  await expect(failure).rejects.toThrow(ModelOutputError);
});

test("an abort is obeyed before the next tile", async () => {
  const stop = new AbortController();
  let tiles = 0;
  const failure = restore(wide, noise(wide), {
    signal: stop.signal,
    run: async (input) => {
      tiles += 1;
      if (tiles === 3) stop.abort(new Error("enough"));
      return input.slice();
    },
  });
  await expect(failure).rejects.toThrow("enough");
  expect(tiles).toBe(3);
});

test("progress counts every tile up to the total, with the levels so far", async () => {
  const plan = manyTiles(wide);
  const seen: number[] = [];
  const picture = paint(wide, () => 0.5);
  const { levels } = await restore(wide, picture, {
    plan,
    run: async (input) => input.map((value) => value / 2),
    onTile: (done, total, levels) => {
      expect(total).toBe(plan.tiles);
      expect(levels.output.mean).toBeCloseTo(0.25, 3);
      seen.push(done);
    },
  });
  expect(seen).toEqual(Array.from({ length: plan.tiles }, (_, i) => i + 1));
  expect(levels.input.mean).toBeCloseTo(0.5, 3);
  expect(levels.input.deviation).toBeCloseTo(0, 3);
});

test("no more than one tile row is ever held or written at once", async () => {
  const plan = manyTiles(wide);
  let rowsRead = 0;
  const source = memorySource(wide, noise(wide));
  const sink = memorySink(wide);
  const reader: typeof source = {
    shape: wide,
    readRows: (y, count, into) => {
      rowsRead = Math.max(rowsRead, count);
      return source.readRows(y, count, into);
    },
  };
  await runTiled({ reader, writer: sink, plan, run: identityModel, scale: 1 });
  expect(plan.y.starts.length).toBeGreaterThan(2);
  expect(rowsRead).toBe(plan.y.tile);
  expect(sink.rowsMost).toBeLessThanOrEqual(plan.y.tile);
});

test("two tiles that disagree fade into each other without a step", async () => {
  let tile = 0;
  const shape: RasterShape = { ...wide, width: 120, height: 40 };
  const plan = planTiles({ ...shape, context: 4, blend: 16, multiple: 8, tilePixelsMax: 72 * 40 });
  expect(plan.tiles).toBe(2);
  const { samples } = await restore(shape, noise(shape), {
    plan,
    run: async (input) => input.slice().fill(tile++),
  });
  const line = Array.from({ length: shape.width }, (_, x) => samples[x * 3]! / 65_535);
  const steps = line.slice(1).map((value, x) => value - line[x]!);
  expect(line[0]).toBe(0);
  expect(line.at(-1)).toBe(1);
  expect(Math.min(...steps)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...steps)).toBeLessThan(0.1);
});

test("reflection repeats where the picture is smaller than the padding", () => {
  expect(Array.from({ length: 9 }, (_, i) => reflect(i, 3))).toEqual([0, 1, 2, 1, 0, 1, 2, 1, 0]);
  expect(Array.from({ length: 5 }, (_, i) => reflect(i, 1))).toEqual([0, 0, 0, 0, 0]);
  const shape: RasterShape = { width: 2, height: 1, channels: 1, bits: 8 };
  const tensor = new Float32Array(3 * 5 * 2);
  const region = { shape, rows: Uint8Array.of(0, 255), firstRow: 0, x: 0, y: 0, width: 5, height: 2 };
  packPlanes(region, tensor, plainLayout);
  const line = [0, 1, 0, 1, 0];
  expect([...tensor]).toEqual([...line, ...line, ...line, ...line, ...line, ...line]);
});

test("a flat or shifted output is told from a restored one", () => {
  const input = { mean: 0.5, deviation: 0.2 };
  expect(levelsProblem({ input, output: { mean: 0.55, deviation: 0.15 } })).toBeUndefined();
  expect(levelsProblem({ input, output: { mean: 0.5, deviation: 0.01 } })).toBe("flat");
  expect(levelsProblem({ input, output: { mean: 0.7, deviation: 0.2 } })).toBe("shifted");
  const flat = { mean: 0.5, deviation: 0.001 };
  expect(levelsProblem({ input: flat, output: { mean: 0.5, deviation: 0 } })).toBeUndefined();
});
