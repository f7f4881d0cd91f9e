import type { Job, JobStatus } from "./job.ts";
import { isOpen, type Stage } from "./stage.ts";

/** Ends the job: whatever was open is canceled with it. */
export function end(
  job: Job,
  status: JobStatus,
  now: number,
  error?: { code: string; message: string },
  failed?: Stage,
): void {
  job.status = status;
  job.endedAt = now;
  job.expiresAt = now + job.options.retention_hours * 3_600_000;
  if (error !== undefined) job.error = error;
  for (const stage of job.stages) {
    if (!isOpen(stage)) continue;
    stage.status = stage === failed ? "failed" : "canceled";
    stage.endedAt = now;
    clear(stage, "readyAt", "notBefore", "ringAt", "rings", "lookAt", "hardDeadline");
  }
}

/** Deletes what says nothing any more in the stage's new state. */
export function clear(
  stage: Stage,
  ...fields: (
    | "readyAt"
    | "notBefore"
    | "ringAt"
    | "rings"
    | "claimId"
    | "agent"
    | "startedAt"
    | "lookAt"
    | "hardDeadline"
  )[]
): void {
  for (const field of fields) delete stage[field];
}
