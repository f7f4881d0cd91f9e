import { expect, test } from "vitest";
import { Analysis } from "#shared/domain/analysis.ts";
import { analyze } from "#agent/stages/analyze.ts";
import type { RasterShape } from "#agent/image/raster-shape.ts";
import type { Model } from "#agent/stages/stage.ts";
import { noise, paint } from "./image/picture-fixture.ts";
import { entryOf, openBench, type Bench } from "./stage-fixture.ts";

const shape: RasterShape = { width: 320, height: 200, channels: 3, bits: 8 };

async function run(
  bench: Bench,
  picture: { shape: RasterShape; samples: ReturnType<typeof noise> },
  models: Model[] = [],
) {
  const image = await bench.picture("image", picture.shape, picture.samples);
  const outcome = await bench.run(analyze, { image, original: image }, { models });
  if (outcome.type !== "done") throw new Error(JSON.stringify(outcome));
  return { ...outcome.result, analysis: Analysis.parse(outcome.result.analysis) };
}

/** A detector that finds nothing, and counts how often it looked. */
function blindDetector(): Model & { looks: number } {
  const model = {
    entry: entryOf("yunet"),
    imageInput: "input",
    looks: 0,
    async run() {
      model.looks += 1;
      return {};
    },
  };
  return model;
}

test("without a detector the faces are unknown, and everything else is measured", async () => {
  await using bench = await openBench();
  const { analysis, outputs, model } = await run(bench, { shape, samples: noise(shape) });
  expect(analysis).toMatchObject({ faces: [], facesUnknown: true, gray: false });
  expect(analysis.noise).toBeGreaterThan(0.1);
  expect([outputs, model]).toEqual([{}, undefined]);
});

test("with a detector an empty list means that there is no face, and the detector is named", async () => {
  await using bench = await openBench();
  const detector = blindDetector();
  const { analysis, model } = await run(bench, { shape, samples: noise(shape) }, [detector]);
  expect(analysis).toMatchObject({ faces: [], facesUnknown: false });
  expect([model, detector.looks]).toEqual(["yunet", 1]);
});

test.each([
  { ...shape, channels: 1 },
  { ...shape, bits: 16 },
  { ...shape, channels: 1, bits: 16, width: 1, height: 1 },
  { ...shape, width: 3000, height: 7 },
] satisfies RasterShape[])("a picture of %o is measured too", async (odd) => {
  await using bench = await openBench();
  const { analysis } = await run(bench, { shape: odd, samples: paint(odd, (x) => (x % 7) / 7) }, [
    blindDetector(),
  ]);
  expect(analysis.gray).toBe(true);
});

test("one channel is measured as three equal ones", async () => {
  await using bench = await openBench();
  const gray = { ...shape, channels: 1 } as const;
  const level = (x: number, y: number): number => ((x * 7 + y * 13) % 101) / 101;
  const one = await run(bench, { shape: gray, samples: paint(gray, level) });
  await using other = await openBench();
  const three = await run(other, { shape, samples: paint(shape, level) });
  expect(one.analysis).toEqual(three.analysis);
});
