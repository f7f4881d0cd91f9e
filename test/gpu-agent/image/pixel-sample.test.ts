import fc from "fast-check";
import { expect, test } from "vitest";
import { analyzePixels } from "#agent/image/analysis.ts";
import { createPixelSampler } from "#agent/image/pixel-sample.ts";
import { paintScene, sampled, toRows } from "./scene.ts";

const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

test("the overview keeps the mean, a small picture is its own tile", () => {
  const scene = paintScene(256, 192);
  const { overview, tiles } = sampled(scene);
  expect([overview.width, overview.height]).toEqual([128, 96]);
  expect(mean(overview.data)).toBeCloseTo(mean(scene.data), 4);
  expect(tiles).toHaveLength(1);
  expect(tiles[0]!.data[1_000]).toBeCloseTo(scene.data[1_000]!, 4);
});

test("the sample is the same however the rows are cut into bands", () => {
  const scene = paintScene(90, 70);
  const rows = toRows(scene);
  const whole = sampled(scene);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }), (heights) => {
      const sampler = createPixelSampler(scene);
      let row = 0;
      for (let step = 0; row < scene.height; step++) {
        const next = Math.min(scene.height, row + heights[step % heights.length]!);
        sampler.push(rows.subarray(row * 90 * 3, next * 90 * 3));
        row = next;
      }
      expect(sampler.finish()).toEqual(whole);
    }),
    { numRuns: 20 },
  );
});

test("samples of any size stay within 131,072 pixels of tiles and 66,000 pixels of overview, and tiles are cut exactly", () => {
  const sizes = fc.constantFrom<[number, number]>(
    [1, 1],
    [1, 900],
    [3_000, 2],
    [1_500, 1_100],
    [9_000, 140],
    [60, 40_000],
  );
  fc.assert(
    fc.property(sizes, ([width, height]) => {
      const sampler = createPixelSampler({ width, height });
      const row = new Uint16Array(width * 3);
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) row.set([x, y, 0], x * 3);
        sampler.push(row);
      }
      const { overview, tiles } = sampler.finish();
      expect(overview.width * overview.height).toBeGreaterThan(0);
      expect(overview.width * overview.height).toBeLessThanOrEqual(66_000);
      let pixels = 0;
      for (const tile of tiles) {
        pixels += tile.width * tile.height;
        const [x0, y0] = [tile.data[0]! * 65_535, tile.data[1]! * 65_535];
        const last = tile.data.length - 3;
        expect(tile.data[last]! * 65_535 - x0).toBeCloseTo(tile.width - 1, 1);
        expect(tile.data[last + 1]! * 65_535 - y0).toBeCloseTo(tile.height - 1, 1);
      }
      expect(pixels).toBeLessThanOrEqual(131_072);
      expect(pixels).toBeGreaterThan(0.15 * Math.min(131_072, width * height));
    }),
    { numRuns: 6 },
  );
});

test("8-bit and 16-bit rows of the same picture give the same measures", () => {
  const scene = paintScene();
  const bytes = Uint8Array.from(scene.data, (level) => Math.round(Math.min(1, level) * 255));
  const measure = (rows: Uint8Array | Uint16Array) => {
    const sampler = createPixelSampler(scene);
    sampler.push(rows);
    return analyzePixels(sampler.finish());
  };
  expect(measure(bytes)).toEqual(measure(Uint16Array.from(bytes, (level) => level * 257)));
});

test("torn, missing and surplus rows are refused", () => {
  const sampler = createPixelSampler({ width: 4, height: 2 });
  expect(() => sampler.push(new Uint8Array(13))).toThrow("whole rows");
  expect(() => sampler.push(new Uint8Array(36))).toThrow("no more rows");
  sampler.push(new Uint8Array(12));
  expect(() => sampler.finish()).toThrow("1 of 2 rows");
});
