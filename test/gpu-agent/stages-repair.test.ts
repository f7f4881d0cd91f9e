import { expect, test } from "vitest";
import { Fault } from "#shared/domain/fault.ts";
import type { RasterShape } from "#agent/image/raster-shape.ts";
import { createBuiltIn } from "#agent/stages/built-in.ts";
import { repair } from "#agent/stages/repair.ts";
import { noise, paint } from "./image/picture-fixture.ts";
import { entryOf, fakeModel, nearest, openBench } from "./stage-fixture.ts";

const shape: RasterShape = { width: 150, height: 120, channels: 3, bits: 8 };
const lines = entryOf("scratch-lines");
const isScratch = (x: number, y: number): boolean => Math.abs(x - 70 - y / 8) < 1 && y > 15 && y < 105;
const motif = (x: number, y: number, channel: number): number =>
  0.3 + 0.1 * channel + 0.08 * Math.sin(x / 25) + 0.05 * Math.cos(y / 20);

test("a scratch is filled from its surroundings, and what lies off it passes to the bit", async () => {
  await using bench = await openBench();
  const sound = paint(shape, motif);
  const scratched = paint(shape, (x, y, channel) => (isScratch(x, y) ? 0.95 : motif(x, y, channel)));
  const image = await bench.picture("image", shape, scratched);
  const lease = { stage: "repair", image, model: lines.id } as const;
  const outcome = await bench.run(repair, lease, { models: [createBuiltIn(lines)] });
  if (outcome.type !== "done") throw new Error(outcome.type);
  expect(outcome.result.warnings).toEqual([]);
  const { shape: after, samples } = await bench.raster(outcome.result.outputs["image"]);
  expect(after).toEqual({ ...shape, bits: 16 });
  let worst = 0;
  for (let y = 0; y < shape.height; y += 1) {
    for (let x = 0; x < shape.width; x += 1) {
      const at = (y * shape.width + x) * 3;
      const isNear = Math.abs(x - 70 - y / 8) < 6;
      if (!isNear) expect(samples[at]).toBe(sound[at]! * 257);
      else if (y > 20 && y < 100) worst = Math.max(worst, Math.abs(samples[at]! / 257 - sound[at]!));
    }
  }
  expect(worst).toBeLessThan(0.05 * 255);
});

test("a gray print is repaired as gray", async () => {
  await using bench = await openBench();
  const gray: RasterShape = { ...shape, channels: 1 };
  const image = await bench.picture(
    "image",
    gray,
    paint(gray, (x, y) => (isScratch(x, y) ? 0.95 : motif(x, y, 0))),
  );
  const outcome = await bench.run(
    repair,
    { stage: "repair", image, model: lines.id },
    { models: [createBuiltIn(lines)] },
  );
  if (outcome.type !== "done") throw new Error(outcome.type);
  const { shape: after, samples } = await bench.raster(outcome.result.outputs["image"]);
  expect(after).toEqual({ ...gray, bits: 16 });
  expect(samples[60 * gray.width + 77]! / 65_535).toBeLessThan(0.5);
});

test("damage too deep to be filled is left as it was and said so", async () => {
  await using bench = await openBench();
  const image = await bench.picture("image", shape, noise(shape));
  const everywhere = fakeModel(lines, ({ data }) => new Float32Array(data.length).fill(1));
  const outcome = await bench.run(
    repair,
    { stage: "repair", image, model: lines.id },
    { models: [everywhere] },
  );
  if (outcome.type !== "done") throw new Error(outcome.type);
  expect(outcome.result.warnings).toEqual([expect.stringMatching(/18000 lie too deep/)]);
});

test("a model that answers a picture is refused for the search", async () => {
  await using bench = await openBench();
  const image = await bench.picture("image", shape, noise(shape));
  const painter = fakeModel(entryOf("ffdnet-color"), nearest(1));
  const lease = { stage: "repair", image, model: "ffdnet-color" } as const;
  const outcome = await bench.run(repair, lease, { models: [painter] });
  expect(outcome).toMatchObject({ type: "failed", result: { failure: "model_invalid" } });
});

test("an entry without code is no built-in", () => {
  expect(() => createBuiltIn(entryOf("lama"))).toThrow(Fault);
});
