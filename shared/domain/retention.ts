/**
 * What happens to the bytes of a job that has ended.
 *
 *   succeeded ─ten minutes─► work deleted ─retention─► expired ─► everything deleted
 *   ended otherwise ─ten minutes─► everything deleted ─┐
 *   any ─erase asked─► everything deleted ─────────────┴─no try that ran then can still write─► deleted again
 *
 * Each function moves the draft it is given and answers whether it did; `decide` is their only caller.
 */
import { end } from "./ending.ts";
import { isTerminal, kept, type Job } from "./job.ts";
import { tryMsMax } from "./lease.ts";
import { DISCARD_AGAIN_MS } from "./limits.ts";

/** The retention of a result is over. */
export function expire(job: Job, now: number): boolean {
  if (job.status !== "succeeded" || job.expiresAt === undefined || job.expiresAt > now) return false;
  job.status = "expired";
  delete job.discarded;
  return true;
}

/** Whoever works on it is told by its next beat. */
export function erase(job: Job, now: number): boolean {
  if (job.erasure !== undefined) return false;
  if (!isTerminal(job.status)) end(job, "canceled", now);
  else if (job.status === "succeeded") job.status = "expired";
  const { metadata: _, external_id: __, ...options } = job.options;
  job.options = { ...options, metadata: {} };
  job.erasure = { at: now };
  delete job.discarded;
  delete job.discardAgainAt;
  return true;
}

/** Believed only of a deletion that left nothing which is to go by now: a slow one may speak of an earlier state. */
export function discarded(
  job: Job,
  done: { readonly kept: readonly string[]; readonly at: number },
): boolean {
  if (!isTerminal(job.status) || job.discarded === true) return false;
  const stays = new Set(kept(job));
  if (done.kept.some((key) => !stays.has(key))) return false;
  const againAt = lastWriteAt(job) + DISCARD_AGAIN_MS;
  // What is written beside a result goes with it, when its retention ends.
  if (job.status === "succeeded" || done.at >= againAt) {
    job.discarded = true;
    delete job.discardAgainAt;
    return true;
  }
  if (job.discardAgainAt !== undefined) return false;
  job.discardAgainAt = againAt;
  return true;
}

/** Nobody who began before the job's end writes for longer: neither an upload in its slot nor a try of a stage. */
function lastWriteAt(job: Job): number {
  const { uploadBy, endedAt = 0, stages } = job;
  const tries = stages.filter(({ epoch }) => epoch > 0).map(({ kind }) => tryMsMax(job, kind));
  return Math.max(uploadBy, endedAt + Math.max(0, ...tries));
}
