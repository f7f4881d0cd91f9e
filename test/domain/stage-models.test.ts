import { expect, test } from "vitest";
import type { Analysis } from "#shared/domain/analysis.ts";
import { CATALOGUE } from "#shared/domain/catalogue.ts";
import { stageOf, type Job } from "#shared/domain/job.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import type { StageAhead } from "#shared/domain/message.ts";
import { Options } from "#shared/domain/options.ts";
import { modelsOfStage, stagesAhead, type StageModelsAsk } from "#shared/domain/stage-models.ts";
import { STAGE_KINDS } from "#shared/domain/stage.ts";
import { measures, ready, START, step } from "./job-fixture.ts";
import { sampleAnalysis } from "./sample-analysis.ts";

const can = {
  stages: ["analyze", "repair", "denoise", "upscale", "finish"] as StageModelsAsk["can"]["stages"],
  models: ["ffdnet-color", "dncnn3-dejpeg-luma", "scratch-lines", "esrgan-thick"],
};

function readyJob(operations: object = {}, preset: string = "balanced"): Job {
  const job = { ...ready(), options: Options.parse({ preset, operations }) };
  return { ...job, measures: { ...measures, jpegQuality: 50 } };
}

/** The job once its analysis has ended so, by an agent that can do what `by` says. */
function analyzed(job: Job, analysis: Analysis, by = can): Job {
  const claimed: JobEvent = { type: "claimed", agent: "agt_a", claimId: "clm_1", can: by, idle: true };
  const completed: JobEvent = {
    type: "completed",
    stage: "analyze",
    epoch: 1,
    agent: "agt_a",
    outputs: {},
    timings: { seconds: 1, modelSeconds: 0, loadSeconds: 0 },
    warnings: [],
    analysis,
    can: by,
  };
  return step(step(job, claimed, START), completed, START);
}

test("after the analysis the coming stages are named in their order with the models that the plan chose", () => {
  const analysis = sampleAnalysis({ noise: 0.03 });
  const job = analyzed(readyJob({ repair: true }), analysis);
  expect(stagesAhead({ job, analysis, can }, "analyze")).toEqual([
    { stage: "repair", models: ["scratch-lines"] },
    { stage: "denoise", models: ["dncnn3-dejpeg-luma", "ffdnet-color"] },
    { stage: "upscale", models: ["esrgan-thick"] },
    { stage: "finish", models: [] },
  ]);
  expect(stagesAhead({ job, analysis, can }, "denoise").map(({ stage }) => stage)).toEqual([
    "upscale",
    "finish",
  ]);
  expect(stagesAhead({ job, analysis, can }, "finish")).toEqual([]);
});

test("the cleaning names both of its models, and without the analysis the one that its plan tells", () => {
  const analysis = sampleAnalysis({ noise: 0.03 });
  const job = analyzed(readyJob(), analysis);
  const denoise = stageOf(job, "denoise");
  expect(modelsOfStage({ job, analysis, can }, denoise)).toEqual(["dncnn3-dejpeg-luma", "ffdnet-color"]);
  expect(modelsOfStage({ job, can }, denoise)).toEqual(["ffdnet-color"]);
});

test("a model that is not at hand is not named: the stage will run elsewhere", () => {
  const analysis = sampleAnalysis({ noise: 0.03 });
  const job = analyzed(readyJob(), analysis);
  const poor = { ...can, models: ["ffdnet-color"] };
  expect(stagesAhead({ job, analysis, can: poor })).toEqual([
    { stage: "denoise", models: ["ffdnet-color"] },
    { stage: "upscale", models: [] },
    { stage: "finish", models: [] },
  ]);
});

test("the analysis and the end of a job name no model, whatever was noted of them", () => {
  const job = readyJob();
  for (const kind of ["analyze", "finish"] as const)
    expect(
      modelsOfStage({ job, can: { ...can, models: ["blazeface"] } }, { kind, model: "blazeface" }),
    ).toEqual([]);
});

test("before the analysis the stages and models are named that come whatever it finds", () => {
  expect(stagesAhead({ job: readyJob({ denoise: false }), can })).toEqual([
    { stage: "analyze", models: [] },
    { stage: "upscale", models: ["esrgan-thick"] },
    { stage: "finish", models: [] },
  ]);
  // The blocks of a poor JPEG are known from its file; the grain is not.
  const asked = readyJob({ repair: true, upscale: 1 });
  expect(stagesAhead({ job: asked, can }, "analyze")).toEqual([
    { stage: "repair", models: ["scratch-lines"] },
    { stage: "denoise", models: ["dncnn3-dejpeg-luma"] },
    { stage: "finish", models: [] },
  ]);
});

test("before the photograph is read nothing is known of its stages", () => {
  const { measures: _, ...unread } = readyJob();
  expect(stagesAhead({ job: unread, can })).toEqual([]);
});

test("whatever the analysis finds, every stage and model foretold before it comes to pass", () => {
  const all = { stages: [...STAGE_KINDS], models: CATALOGUE.map(({ id }) => id) };
  const face = { x: 0, y: 0, width: 4, height: 4, score: 1 };
  const findings = [0, 0.005, 0.03, 0.2].flatMap((noise) => [
    sampleAnalysis({ noise }),
    sampleAnalysis({ noise, gray: true, sharpness: 0, faces: [face] }),
    sampleAnalysis({ noise, sepia: true, facesUnknown: true }),
  ]);
  const pairs = (stages: readonly StageAhead[]): string[] =>
    stages.flatMap(({ stage, models }) => [stage, ...models.map((model) => `${stage} ${model}`)]);
  const foretold = new Set<string>();
  for (const preset of ["faithful", "balanced", "enhanced"])
    for (const choice of ["auto", true, false])
      for (const upscale of [1, 2, 4]) {
        const operations = { repair: choice, denoise: choice, faces: choice, colorize: true, upscale };
        const job = readyJob(operations, preset);
        const before = pairs(stagesAhead({ job, can: all }, "analyze"));
        for (const analysis of findings) {
          const after = stagesAhead({ job: analyzed(job, analysis, all), analysis, can: all });
          expect(pairs(after)).toEqual(expect.arrayContaining(before));
        }
        for (const each of before) foretold.add(each);
      }
  expect([...foretold]).toEqual(
    expect.arrayContaining([
      "repair scratch-lines",
      "denoise fbcnn",
      "denoise ffdnet-color",
      "upscale hat-l-x4",
    ]),
  );
});
