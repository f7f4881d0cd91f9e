import { expect, test } from "vitest";
import type { Analysis } from "#shared/domain/analysis.ts";
import { Options } from "#shared/domain/options.ts";
import { planStages, type PlanAsk } from "#shared/domain/plan.ts";
import { STAGE_KINDS, type StageKind } from "#shared/domain/stage.ts";
import { sampleLease } from "../gpu-agent/sample-lease.ts";
import { sampleAnalysis } from "./sample-analysis.ts";

interface Change {
  operations?: object;
  models?: string[];
  quality?: number;
  size?: readonly [width: number, height: number];
  analysis?: Partial<Analysis>;
}

function stepOf(kind: StageKind, change: Change = {}) {
  const ask: PlanAsk = {
    options: Options.parse({ operations: change.operations ?? {} }),
    measures: {
      ...sampleLease().measures,
      ...(change.quality === undefined ? {} : { jpegQuality: change.quality }),
      ...(change.size === undefined ? {} : { width: change.size[0], height: change.size[1] }),
    },
    analysis: sampleAnalysis({ noise: 6 / 255, ...change.analysis }),
    can: {
      stages: [...STAGE_KINDS],
      models: change.models ?? ["ffdnet-color", "dncnn3-dejpeg-luma", "scratch-lines", "esrgan-thick"],
    },
  };
  return planStages(ask).steps.find((stage) => stage.kind === kind);
}

test("scratches are mended on request only, and the plan says so", () => {
  expect(stepOf("repair")).toMatchObject({ run: false, reason: expect.stringContaining("asked for") });
  expect(stepOf("repair", { operations: { repair: true } })).toMatchObject({
    run: true,
    model: "scratch-lines",
  });
  expect(stepOf("repair", { operations: { repair: false } })).toMatchObject({
    run: false,
    reason: "switched off",
  });
});

test("the denoise step tells both of its passes and names the last one's model", () => {
  expect(stepOf("denoise", { quality: 50 })).toMatchObject({
    run: true,
    model: "ffdnet-color",
    reason:
      "JPEG quality 50: blocks smoothed by dncnn3-dejpeg-luma, then grain σ 6.0 of 255 taken at strength 9.0",
  });
});

test("grain is left to an enlarger that was trained on it, unless cleaning is asked for", () => {
  const models = ["ffdnet-color", "realesr-general-x4v3"];
  expect(stepOf("denoise", { models })).toMatchObject({
    run: false,
    reason: "left to realesr-general-x4v3, which takes grain and JPEG blocks away itself",
  });
  expect(stepOf("denoise", { models, operations: { upscale: 1 } })).toMatchObject({ run: true });
  expect(stepOf("denoise", { models, operations: { denoise: true } })).toMatchObject({ run: true });
});

test("a pass without a model is told beside the one that runs; with none at all the stage says how to get one", () => {
  expect(stepOf("denoise", { quality: 50, models: ["ffdnet-color"] })?.reason).toMatch(
    /taken at strength 12\.0; JPEG quality 50: no model for it is here$/,
  );
  expect(stepOf("denoise", { models: [] })).toMatchObject({
    run: false,
    reason: "grain σ 6.0 of 255; no model for it is here",
    enable: expect.stringMatching(/^npm run models/),
  });
});

test("grain that is slight is left alone", () => {
  expect(stepOf("denoise", { analysis: { noise: 0 } })).toMatchObject({
    run: false,
    reason: expect.stringContaining("the grain is slight"),
  });
});

test("every face that was found is counted in the reason", () => {
  const face = { x: 1, y: 1, width: 2, height: 2, score: 0.9 };
  const models = ["gfpgan-v1.4"];
  const reasonOf = (faces: number) =>
    stepOf("faces", { models, analysis: { faces: Array.from({ length: faces }, () => face) } })?.reason;
  expect(reasonOf(1)).toMatch(/^one face/);
  expect(reasonOf(3)).toMatch(/^3 faces/);
});

test("a result beyond the largest size is enlarged less, or not at all, and the plan says why", () => {
  expect(stepOf("upscale", { operations: { upscale: 4 }, size: [8_000, 8_000] })).toMatchObject({
    run: true,
    reason: "enlarged ×2 instead of ×4, to stay below 400 megapixels",
  });
  expect(stepOf("upscale", { operations: { upscale: 4 }, size: [10_001, 10_000] })).toMatchObject({
    run: false,
    reason: "×4 would pass 400 megapixels",
  });
});

test("what is faded is told in the finish's reason, unless it was to stay", () => {
  const analysis = {
    tone: { black: [0, 0, 0], white: [1, 1, 1], fading: 0.3, cast: 0.1 },
  } as Partial<Analysis>;
  expect(stepOf("finish", { analysis })?.reason).toMatch(
    /^fading of 30 % undone, colour cast of 10 % undone/,
  );
  expect(stepOf("finish", { analysis, operations: { tone: false } })?.reason).toMatch(/^written as/);
});
