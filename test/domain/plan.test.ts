import { expect, test } from "vitest";
import { Options } from "#shared/domain/options.ts";
import { planStages, type PlanAsk } from "#shared/domain/plan.ts";
import { STAGE_KINDS, type StageKind } from "#shared/domain/stage.ts";
import { sampleLease } from "../gpu-agent/sample-lease.ts";
import { sampleAnalysis } from "./sample-analysis.ts";

function stepOf(kind: StageKind, change: { operations?: object; models?: string[]; quality?: number } = {}) {
  const ask: PlanAsk = {
    options: Options.parse({ operations: change.operations ?? {} }),
    measures: {
      ...sampleLease().measures,
      ...(change.quality === undefined ? {} : { jpegQuality: change.quality }),
    },
    analysis: sampleAnalysis({ noise: 6 / 255 }),
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
