import { expect, test } from "vitest";
import { planCleaning } from "#shared/domain/cleaning.ts";
import { Options } from "#shared/domain/options.ts";
import { sampleAnalysis } from "./sample-analysis.ts";

const ALL = ["ffdnet-color", "dncnn3-dejpeg-luma", "cosine-denoise", "cosine-deblock"];
const BUILT_IN = ["cosine-denoise", "cosine-deblock"];

function cleaning(of: {
  noise?: number;
  jpegQuality?: number;
  denoise?: boolean;
  models?: readonly string[];
}) {
  return planCleaning({
    options: Options.parse({ operations: { denoise: of.denoise ?? "auto" } }),
    measures: of.jpegQuality === undefined ? {} : { jpegQuality: of.jpegQuality },
    analysis: sampleAnalysis({ noise: (of.noise ?? 0) / 255 }),
    models: of.models ?? ALL,
  });
}

test("slight grain and a good file are left alone, unless cleaning is asked for", () => {
  expect(cleaning({ noise: 2, jpegQuality: 90 })).toEqual({ passes: [], missing: [] });
  const asked = cleaning({ noise: 2, jpegQuality: 90, denoise: true });
  expect(asked.passes.map(({ task }) => task)).toEqual(["dejpeg", "denoise"]);
});

test("switched off, nothing is cleaned whatever was measured", () => {
  expect(cleaning({ noise: 20, jpegQuality: 20, denoise: false })).toEqual({ passes: [], missing: [] });
});

test("grain is taken at twice its measure, at half as much more where the blocks go first, and never beyond 20", () => {
  const strength = (of: Parameters<typeof cleaning>[0]): number | undefined => {
    const pass = cleaning(of).passes.find((each) => each.task === "denoise");
    return pass?.task === "denoise" ? pass.sigma * 255 : undefined;
  };
  expect(strength({ noise: 6 })).toBeCloseTo(12);
  expect(strength({ noise: 6, jpegQuality: 50 })).toBeCloseTo(9);
  expect(strength({ noise: 30 })).toBeCloseTo(20);
});

test("blocks go first, by the file's own quality", () => {
  expect(cleaning({ noise: 6, jpegQuality: 50 }).passes).toMatchObject([
    { task: "dejpeg", model: "dncnn3-dejpeg-luma", quality: 50 },
    { task: "denoise", model: "ffdnet-color" },
  ]);
  expect(cleaning({ noise: 6, jpegQuality: 85 }).passes.map(({ task }) => task)).toEqual(["denoise"]);
});

test("without weights what is built in serves, and what nothing can do is named as missing", () => {
  const models = cleaning({ noise: 6, jpegQuality: 50, models: BUILT_IN }).passes.map(({ model }) => model);
  expect(models).toEqual(["cosine-deblock", "cosine-denoise"]);
  expect(cleaning({ noise: 6, jpegQuality: 50, models: ["ffdnet-color"] }).missing).toEqual(["dejpeg"]);
  expect(cleaning({ noise: 6, jpegQuality: 50, models: [] })).toEqual({
    passes: [],
    missing: ["dejpeg", "denoise"],
  });
});
