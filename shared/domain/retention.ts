/**
 * What happens to the bytes of a job that has ended.
 *
 *   ended ─ten minutes─► work deleted ─retention (succeeded)─► expired ─► everything deleted
 *   any ─erase asked─► everything deleted ─no try that ran then can still write─► deleted again ─► no timer any more
 *
 * Each function moves the draft it is given and answers whether it did; `decide` is their only caller.
 */
import { end } from "./ending.ts";
import { isTerminal, kept, type Job } from "./job.ts";
import { tryMsMax } from "./lease.ts";
import { ERASE_AGAIN_MS } from "./limits.ts";

/** The retention of a result is over. */
export function expire(job: Job, now: number): boolean {
  if (job.status !== "succeeded" || job.expiresAt === undefined || job.expiresAt > now) return false;
  job.status = "expired";
  delete job.discarded;
  return true;
}

/** Whoever works on it is told by its next beat, and may write once more until then: hence the second deletion. */
export function erase(job: Job, now: number): boolean {
  if (job.erasure !== undefined) return false;
  const lastWriteAt = Math.max(job.uploadBy, ...job.stages.map(({ kind }) => now + tryMsMax(job, kind)));
  if (!isTerminal(job.status)) end(job, "canceled", now);
  else if (job.status === "succeeded") job.status = "expired";
  const { metadata: _, external_id: __, ...options } = job.options;
  job.options = { ...options, metadata: {} };
  job.erasure = { at: now, againAt: lastWriteAt + ERASE_AGAIN_MS };
  delete job.discarded;
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
  const { erasure } = job;
  if (erasure === undefined || done.at >= erasure.againAt) job.discarded = true;
  else if (erasure.once === true) return false;
  else erasure.once = true;
  return true;
}
