import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fadeWeights } from "#agent/image/blend-lines.ts";
import { planTiles, seamLines, type TileAxis, type TileRequest } from "#agent/image/tile.ts";

/** Requests that can be met: the largest tile allowed holds the margins and something within. */
const request: fc.Arbitrary<TileRequest & { blend: number }> = fc
  .record({
    width: fc.integer({ min: 1, max: 3000 }),
    height: fc.integer({ min: 1, max: 3000 }),
    context: fc.integer({ min: 0, max: 40 }),
    blend: fc.integer({ min: 0, max: 24 }),
    multiple: fc.constantFrom(1, 2, 8, 16, 64),
    spare: fc.integer({ min: 0, max: 400 }),
    square: fc.boolean(),
  })
  .map(({ spare, ...rest }) => {
    const side = 2 * rest.context + 3 * rest.blend + 2 * rest.multiple + spare;
    return Object.assign(rest, { tilePixelsMax: side ** 2 });
  });

const axes = (wanted: TileRequest): TileAxis[] => {
  const plan = planTiles(wanted);
  return [plan.x, plan.y];
};

test("the weights of all tiles sum to 1 at every pixel, and none is negative", () => {
  fc.assert(
    fc.property(request, (wanted) => {
      for (const axis of axes(wanted)) {
        const sums = new Float64Array(axis.length);
        const rising = fadeWeights(axis.blend);
        for (const index of axis.starts.keys()) {
          const fadeIn = axis.fades[index - 1];
          const fadeOut = axis.fades[index];
          for (
            let i = fadeIn ?? 0;
            i < (fadeOut === undefined ? axis.length : fadeOut + axis.blend);
            i += 1
          ) {
            const risen = fadeIn === undefined ? 1 : (rising[i - fadeIn] ?? 1);
            const fallen = fadeOut === undefined || i < fadeOut ? 0 : rising[i - fadeOut]!;
            if (risen < 0 || fallen > 1) throw new Error(`negative weight at ${i}`);
            sums[i]! += risen * (1 - fallen);
          }
        }
        expect(Math.max(...sums.map((sum) => Math.abs(sum - 1)))).toBeLessThan(1e-12);
      }
    }),
    { numRuns: 200 },
  );
});

test("every pixel that is used has its context, unless the picture ends there", () => {
  fc.assert(
    fc.property(request, (wanted) => {
      for (const { length, tile, starts, fades, blend } of axes(wanted)) {
        expect(starts[0]).toBe(0);
        for (const [index, fade] of fades.entries()) {
          expect(fade - starts[index + 1]!).toBeGreaterThanOrEqual(wanted.context);
          expect(starts[index]! + tile - (fade + blend)).toBeGreaterThanOrEqual(wanted.context);
          // Fades do not touch: at most two tiles meet at a pixel.
          expect(fades[index + 1] ?? length).toBeGreaterThanOrEqual(fade + blend);
        }
        if (starts.length === 1) expect(tile).toBeGreaterThanOrEqual(length);
        else expect(starts.at(-1)! + tile).toBe(length);
      }
    }),
  );
});

test("every tile obeys the multiple, the limit and the square", () => {
  fc.assert(
    fc.property(request, (wanted) => {
      const plan = planTiles(wanted);
      expect(plan.x.tile % wanted.multiple).toBe(0);
      expect(plan.y.tile % wanted.multiple).toBe(0);
      expect(plan.x.tile * plan.y.tile).toBeLessThanOrEqual(wanted.tilePixelsMax);
      expect(plan.tiles).toBe(plan.x.starts.length * plan.y.starts.length);
      expect(plan.computedPixels).toBe(plan.tiles * plan.x.tile * plan.y.tile);
      if (wanted.square === true) expect(plan.x.tile).toBe(plan.y.tile);
    }),
  );
});

test("no tile size taken at will computes fewer pixels", () => {
  fc.assert(
    fc.property(request, fc.nat(), fc.nat(), (wanted, pickWidth, pickHeight) => {
      const { multiple, context, blend, tilePixelsMax } = wanted;
      const overlap = 2 * context + blend;
      const least = Math.ceil((overlap + 2 * blend + 2) / multiple) * multiple;
      const steps = Math.floor((Math.sqrt(tilePixelsMax) - least) / multiple);
      fc.pre(steps >= 0);
      const width = least + (pickWidth % (steps + 1)) * multiple;
      const height = wanted.square === true ? width : least + (pickHeight % (steps + 1)) * multiple;
      const count = (length: number, tile: number): number =>
        tile >= length ? 1 : Math.ceil((length - overlap) / (tile - overlap));
      const naive = count(wanted.width, width) * width * count(wanted.height, height) * height;
      expect(planTiles(wanted).computedPixels).toBeLessThanOrEqual(naive);
    }),
    { numRuns: 500 },
  );
});

test("four fitted tiles cover 512² where nine of a round size would be needed", () => {
  const plan = planTiles({
    width: 512,
    height: 512,
    context: 16,
    blend: 0,
    multiple: 8,
    tilePixelsMax: 280 ** 2,
  });
  expect(plan).toMatchObject({
    tiles: 4,
    x: { tile: 272, starts: [0, 240] },
    y: { tile: 272, starts: [0, 240] },
  });
  const careless = planTiles({
    width: 512,
    height: 512,
    context: 16,
    blend: 0,
    multiple: 256,
    tilePixelsMax: 256 ** 2,
  });
  expect(careless).toMatchObject({ tiles: 9, x: { tile: 256, starts: [0, 128, 256] } });
});

test("a picture that fits is one tile, padded to the multiple only", () => {
  const plan = planTiles({ width: 100, height: 33, context: 16, multiple: 8, tilePixelsMax: 1 << 20 });
  expect(plan).toMatchObject({ tiles: 1, x: { tile: 104, starts: [0], fades: [] }, y: { tile: 40 } });
});

test.each([
  [1, 1],
  [1, 20_000],
  [20_000, 1],
  [63, 65],
])("a model of fixed 64 × 64 gets exactly that for a picture of %i × %i", (width, height) => {
  const plan = planTiles({ width, height, context: 8, multiple: 64, tilePixelsMax: 64 ** 2, fixed: 64 });
  expect([plan.x.tile, plan.y.tile]).toEqual([64, 64]);
  for (const axis of [plan.x, plan.y]) expect(axis.starts.at(-1)! + 64).toBeGreaterThanOrEqual(axis.length);
});

test("limits that leave no room for the context are refused", () => {
  const wanted = { width: 500, height: 500, context: 32, multiple: 8, tilePixelsMax: 60 ** 2 };
  expect(() => planTiles(wanted)).toThrow("with 32 px of context exists");
  expect(() => planTiles({ ...wanted, fixed: 64, tilePixelsMax: 1 << 20 })).toThrow(
    "with 32 px of context exists",
  );
});

test("seam lines are the middles of the fades, enlarged", () => {
  const plan = planTiles({ width: 512, height: 100, context: 16, multiple: 8, tilePixelsMax: 280 * 104 });
  expect(plan.x.starts).toEqual([0, 232]);
  expect(seamLines(plan, 4)).toEqual({ xs: [1024], ys: [] });
});
