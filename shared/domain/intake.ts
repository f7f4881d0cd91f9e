/**
 * The upload and its reading: the first part of a job's life, before any stage is ready. Each function moves the draft
 * it is given and answers whether it did; `decide` is their only caller.
 */
import type { IntakeLoss } from "./event.ts";
import { end } from "./ending.ts";
import { shardOf } from "./id.ts";
import { enqueue, isTerminal, makeReadable, type Job } from "./job.ts";
import {
  backoffMs,
  INTAKE_ASK_AGAIN_MS,
  INTAKE_ASK_AGAIN_MS_MAX,
  INTAKE_AWAY_MAX,
  INTAKE_LEASE_MS,
  INTAKE_LEASE_MS_PER_MB,
  INTAKE_LOST_MAX,
  INTAKE_TRIES_MAX,
  LOST_BEFORE_CAUTION,
  patientBackoffMs,
} from "./limits.ts";

/** How finely pauses are told apart. */
const SHARES = 1_024;

export function uploaded(job: Job, now: number): boolean {
  if (job.status !== "awaiting_upload") return false;
  enqueue(job, now);
  return true;
}

export function startIntake(job: Job, now: number): boolean {
  if (isTerminal(job.status) || job.intake.status !== "ready" || (job.intake.until ?? 0) > now) return false;
  job.intake.status = "running";
  job.intake.epoch += 1;
  job.intake.tries += 1;
  job.intake.until = now + INTAKE_LEASE_MS + INTAKE_LEASE_MS_PER_MB * Math.ceil(job.input.bytes / 1e6);
  delete job.intake.askAt;
  delete job.intake.asks;
  return true;
}

export function failIntake(
  job: Job,
  failure: { code: string; message: string; final: boolean },
  now: number,
): boolean {
  if (failure.final || job.intake.tries >= INTAKE_TRIES_MAX) {
    job.intake.status = "failed";
    end(job, "failed", now, { code: failure.code, message: failure.message });
    return true;
  }
  makeReadable(job, now, backoffMs(job.intake.tries));
  return true;
}

export function loseIntake(job: Job, why: IntakeLoss, now: number): boolean {
  const { intake } = job;
  const [spent, max] =
    why === "engine"
      ? [(intake.away = (intake.away ?? 0) + 1), INTAKE_AWAY_MAX]
      : [(intake.lost = (intake.lost ?? 0) + 1), INTAKE_LOST_MAX];
  intake.tries -= 1;
  if (spent >= max) {
    intake.status = "failed";
    delete intake.until;
    const code = why === "disk_full" ? "disk_full" : "infra";
    end(job, "failed", now, { code, message: "Our machines could not read the file; please send it again." });
    return true;
  }
  if (why === "engine") makeReadable(job, now, patientBackoffMs(spent));
  else makeReadable(job, now, spent < LOST_BEFORE_CAUTION ? 0 : apartMs(job, spent));
  return true;
}

/**
 * Files whose reader was lost at the same moment are not read beside each other again: one of them may be what takes its
 * reader's whole process down, and would take the others with it each time.
 */
function apartMs({ id }: Job, spent: number): number {
  return Math.round(backoffMs(spent) * (1 + shardOf(`${id}#${spent}`, SHARES) / SHARES));
}

/** Whoever was to read it has not begun. */
export function askAgain({ intake }: Job, now: number): void {
  intake.asks = (intake.asks ?? 0) + 1;
  intake.askAt = now + Math.min(INTAKE_ASK_AGAIN_MS_MAX, INTAKE_ASK_AGAIN_MS * 2 ** intake.asks);
}
