import { imageBefore, blobPrefix, jobKey, type Job } from "#shared/domain/job.ts";
import type { Analysis } from "#shared/domain/analysis.ts";
import { invariant } from "#shared/domain/fault.ts";
import type { Capabilities, Lease } from "#shared/domain/message.ts";
import type { Plan } from "#shared/domain/plan.ts";
import type { Stage, StageKind } from "#shared/domain/stage.ts";
import { modelsOfStage, stagesAhead } from "#shared/domain/stage-models.ts";
import type { Store } from "#shared/ports.ts";

/** The plan's row: written once, with the end of the analysis. */
export interface PlanRow {
  readonly plan: Plan;
  readonly analysis: Analysis;
}

export async function readPlan(store: Store, jobId: string): Promise<PlanRow | undefined> {
  return (await store.get({ pk: jobKey(jobId).pk, sk: "PLAN" }))?.body as PlanRow | undefined;
}

/** An agent may write only below it, and the control plane accepts only keys below it. */
export function outputPrefix(jobId: string, kind: StageKind, epoch: number): string {
  return `${blobPrefix(jobId)}${kind}/e${epoch}-`;
}

/** All an agent needs to run the stage it was granted. */
export async function leaseOf(
  store: Store,
  ask: { readonly job: Job; readonly stage: Stage; readonly can: Capabilities; readonly now: number },
): Promise<Lease> {
  const { job, stage, can, now } = ask;
  const image = imageBefore(job, stage.kind);
  const original = job.intake.image;
  invariant(
    image !== undefined && original !== undefined && job.measures !== undefined,
    `${job.id}: a stage before its intake`,
  );
  invariant(
    stage.claimId !== undefined && stage.hardDeadline !== undefined,
    `${job.id}: an offer of an unclaimed stage`,
  );
  const planned = stage.kind === "analyze" ? undefined : await readPlan(store, job.id);
  const known = { job, can, ...(planned === undefined ? {} : { analysis: planned.analysis }) };
  return {
    job: job.id,
    stage: stage.kind,
    epoch: stage.epoch,
    claimId: stage.claimId,
    hardDeadline: stage.hardDeadline,
    msLeft: Math.max(0, stage.hardDeadline - now),
    outputPrefix: outputPrefix(job.id, stage.kind, stage.epoch),
    options: job.options,
    measures: job.measures,
    models: modelsOfStage(known, stage),
    ahead: stagesAhead(known, stage.kind),
    scale: planned?.plan.scale ?? 1,
    image,
    original,
    ...(planned === undefined ? {} : { analysis: planned.analysis }),
    ...(stage.model === undefined ? {} : { model: stage.model }),
    ...(job.intake.alpha === undefined ? {} : { alpha: job.intake.alpha }),
  };
}
