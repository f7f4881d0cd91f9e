/** Reads off a commit which rare paths it was part of. */
import type { Job } from "#shared/domain/job.ts";
import { isOver } from "./check-job.ts";
import type { ProcessKind } from "./simulated-process.ts";
import type { Sometimes } from "./sometimes.ts";
import type { Change } from "./store-engine.ts";

const LOSSES_OF_CAUTION = 2;

export function notePaths(
  sometimes: Sometimes,
  { before, after }: Change,
  by: ProcessKind | undefined,
): void {
  const old = before?.body as Job | undefined;
  const job = after?.body as Job | undefined;
  if (old === undefined || job === undefined) return;
  for (const [i, stage] of job.stages.entries()) {
    const was = old.stages[i];
    if (was === undefined) continue;
    if ((stage.tries?.lost ?? 0) > (was.tries?.lost ?? 0)) {
      if (by === "control") sometimes.count("takeover by an agent with a bell");
      if (by === "sweeper") sometimes.count("takeover by the sweeper");
      if (by === "consumer") sometimes.count("takeover by a dead letter");
    }
    if (stage.epoch > was.epoch && (stage.tries?.lost ?? 0) >= LOSSES_OF_CAUTION)
      sometimes.count("claimed again after two losses");
    if ((stage.tries?.released ?? 0) > (was.tries?.released ?? 0)) sometimes.count("stage released");
    if ((stage.tries?.oom ?? 0) > (was.tries?.oom ?? 0)) sometimes.count("out of memory tried again");
    if (stage.status === "ready" && (stage.rings ?? 0) > (was.rings ?? 0)) sometimes.count("bell rung again");
  }
  if (old.intake.status === "running" && job.intake.status === "ready") sometimes.count("intake tried again");
  if (old.status === "awaiting_upload" && job.status === "queued" && by === "sweeper")
    sometimes.count("late upload found by a look");
  if (old.status === "awaiting_upload" && job.status === "expired") sometimes.count("upload never came");
  if (old.status === "queued" && job.status === "expired") sometimes.count("not begun by its deadline");
  if (!isOver(old) && job.status === "failed" && job.error?.code === "deadline_exceeded")
    sometimes.count("not ended by its deadline");
  if (old.status === "succeeded" && job.status === "expired") sometimes.count("retention ended");
  if (old.discarded !== true && job.discarded === true) sometimes.count("bytes discarded");
  if (old.erasure === undefined && job.erasure !== undefined)
    sometimes.count(isOver(old) ? "erased after its end" : "erased before its end");
  if (isOver(old) || !isOver(job)) return;
  if (job.status === "canceled" && old.stages.some(({ status }) => status === "leased"))
    sometimes.count("cancel of a running stage");
  if (job.error?.code === "poison") sometimes.count("poison found");
}

/** The same of money rows. */
export function noteMoneyPaths(sometimes: Sometimes, { key, before, after }: Change): void {
  const was = before?.body as
    | { status?: string; state?: string; cursor?: number; lines?: number }
    | undefined;
  const is = after?.body as typeof was & { type?: string };
  if (key.pk.startsWith("WINDOW#") && is?.state === "owing" && was?.state !== "owing")
    sometimes.count("reconcile with a difference");
  if (key.pk.startsWith("BATCH#") && was?.status === "filling" && is?.status === "canceling")
    sometimes.count("batch canceled while filling");
  if (key.pk.startsWith("OUTBOX#event#") && before === undefined && is?.type === "batch.completed")
    sometimes.count("batch completed");
}

/** The same of calls to the control plane. */
export function noteAnswer(
  sometimes: Sometimes,
  { op, value, isLost }: { readonly op: string; readonly value: unknown; readonly isLost: boolean },
): void {
  const { verdict, next } = (value ?? {}) as { verdict?: string; next?: unknown };
  if (op === "complete" && verdict === "stale") sometimes.count("stale complete");
  if (!isLost) return;
  if (op === "claim" && verdict === "granted") sometimes.count("claim granted, answer lost");
  if (op === "complete" && verdict === "accepted") sometimes.count("complete done, answer lost");
  if (op === "complete" && next !== undefined)
    sometimes.count("complete claimed the next stage, answer lost");
}

/** One line of the story. */
export function tellChange({ key, after }: Change): string {
  const job = after?.body as Job | undefined;
  if (key.sk !== "JOB" || job === undefined)
    return `${key.pk} ${key.sk} ${after === undefined ? "gone" : "put"}`;
  const open = job.stages
    .filter(({ status }) => status !== "blocked" && status !== "skipped")
    .map(
      ({ kind, status, epoch, agent }) =>
        `${kind} ${status}/${epoch}${status === "leased" ? ` ${agent}` : ""}`,
    );
  return `${job.id} ${job.status} intake ${job.intake.status}/${job.intake.epoch} ${open.join(", ")}`;
}
