import type { z } from "zod";
import type { IntakeMeasures } from "#shared/domain/analysis.ts";
import { FLEET, type Policy } from "#shared/domain/budget.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import { decide } from "#shared/domain/decide.ts";
import { newJob, stageOf, type Job } from "#shared/domain/job.ts";
import { Options } from "#shared/domain/options.ts";
import type { StageKind } from "#shared/domain/stage.ts";
import { sampleAnalysis } from "./sample-analysis.ts";

/** A job and a clock to lead through its states by hand. */
export const START = 1_800_000_000_000;

const sha = "a".repeat(64);
export const blob = (key: string) => ({
  key,
  sha256: sha,
  bytes: 10,
  contentType: "image/tiff",
  width: 8,
  height: 6,
});

export const measures: IntakeMeasures = {
  width: 8,
  height: 6,
  format: "jpeg",
  bits: 8,
  hasAlpha: false,
  isGray: false,
  jpegQuality: 80,
  bytes: 100,
  sha256: sha,
  warnings: [],
};

export const analysis = sampleAnalysis({ noise: 0.03 });

export const can = { stages: ["analyze", "upscale", "finish"] as StageKind[], models: ["esrgan-thick"] };

export function fresh(uploaded = true, asked: z.input<typeof Options> = {}): Job {
  const input = { key: "jobs/job_1/input", contentType: "image/jpeg", bytes: 100 };
  return newJob({ id: "job_1", org: "org_1", options: Options.parse(asked), input, uploaded }, START);
}

export function step(job: Job, event: JobEvent, now: number, policy: Policy = FLEET): Job {
  return decide(job, event, now, policy).job;
}

/** A job whose intake is done and whose first stage is ready. */
export function ready(job = fresh()): Job {
  const started = step(job, { type: "intake-started" }, START);
  return step(
    started,
    { type: "intake-done", epoch: 1, measures, image: blob("jobs/job_1/intake/e1-x.image.tif") },
    START,
  );
}

export const claim = (agent: string, claimId: string, idle = true): JobEvent => ({
  type: "claimed",
  agent,
  claimId,
  can,
  idle,
});

export function completion(
  job: Job,
  kind: StageKind,
  extra: { nextClaimId?: string; agent?: string } = {},
): JobEvent {
  const stage = stageOf(job, kind);
  return {
    type: "completed",
    stage: kind,
    epoch: stage.epoch,
    agent: extra.agent ?? stage.agent ?? "agt_a",
    outputs: kind === "analyze" ? {} : { image: blob(`jobs/job_1/${kind}/e${stage.epoch}-x.image.tif`) },
    timings: { seconds: 1, modelSeconds: 0.5, loadSeconds: 0 },
    warnings: [],
    can,
    ...(kind === "analyze" ? { analysis } : {}),
    ...(extra.nextClaimId === undefined ? {} : { nextClaimId: extra.nextClaimId }),
  };
}
