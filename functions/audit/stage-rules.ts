/** What must hold of the stages of any stored job. Pure; written against the protocol, not against `decide`. */
import type { Breach } from "./finding.ts";
import { blobPrefix, isTerminal, type Job } from "#shared/domain/job.ts";
import {
  ALONE_MAX,
  DEVICE_FAULTS_MAX,
  DISK_FULL_MAX,
  LEASE_GUARD_MS,
  LEASE_MS,
  LOST_MAX,
  OOM_MAX,
  RELEASED_MAX,
  TRANSIENT_MAX,
} from "#shared/domain/limits.ts";
import { isOpen, type Stage, type TryClass } from "#shared/domain/stage.ts";

/** How far the clock of whoever audits may stand from the control plane's. */
export const SKEW_MS = 60_000;

const TRIES_MAX: Readonly<Record<TryClass, number>> = {
  lost: LOST_MAX,
  crashed: ALONE_MAX,
  transient: TRANSIENT_MAX,
  device: DEVICE_FAULTS_MAX,
  disk: DISK_FULL_MAX,
  oom: OOM_MAX,
  model: ALONE_MAX,
  released: RELEASED_MAX,
  bug: ALONE_MAX,
};

/** @param now milliseconds, of a clock that may be SKEW_MS off. */
export function stageBreaches(job: Job, stage: Stage, now: number): Breach[] {
  return [
    ...leaseBreaches(job, stage, now),
    ...orderBreaches(job, stage),
    ...outputBreaches(job, stage),
    ...claimBreaches(stage),
  ];
}

/** Invariant 8: a lease has an owner, a fence and timers, and nothing else has them. */
function leaseBreaches(job: Job, stage: Stage, now: number): Breach[] {
  const { kind, status, epoch, lookAt, hardDeadline } = stage;
  if (status !== "leased") {
    if (lookAt === undefined && hardDeadline === undefined) return [];
    return [["timer_left", `the stage ${kind} is ${status} and has the timers of a lease`]];
  }
  if (isTerminal(job.status)) return [];
  // A document that lacks owner or timers is none: its schema says so.
  if (epoch < 1) return [["lease_incomplete", `the stage ${kind} is leased and was never claimed`]];
  if ((lookAt ?? 0) <= now + LEASE_MS + LEASE_GUARD_MS + SKEW_MS) return [];
  return [["lease_unwatched", `the leased stage ${kind} is looked at only at ${instant(lookAt)}`]];
}

/** Invariant 10, and its mirror: work begins once everything before it has ended, and not earlier. */
function orderBreaches(job: Job, stage: Stage): Breach[] {
  const open = unfinishedBefore(job, stage);
  const waits = open.length > 0 || job.intake.status !== "done";
  if (stage.status === "blocked" && !waits && !isTerminal(job.status))
    return [
      ["stage_stuck", `the stage ${stage.kind} is blocked, and nothing that it waits for is unfinished`],
    ];
  const began = stage.status === "ready" || stage.status === "leased" || stage.status === "done";
  if (began && waits)
    return [
      ["stage_early", `the stage ${stage.kind} is ${stage.status} before ${open.join(", ") || "the intake"}`],
    ];
  return [];
}

/** The open stages that it waits for, those behind skipped ones too. */
function unfinishedBefore(job: Job, stage: Stage): string[] {
  return job.stages
    .filter(({ kind }) => stage.deps.includes(kind))
    .flatMap((each) =>
      isOpen(each) ? [each.kind] : each.status === "skipped" ? unfinishedBefore(job, each) : [],
    );
}

/** Invariant 2: what was accepted lies under the epoch that was accepted. */
function outputBreaches(job: Job, stage: Stage): Breach[] {
  const outputs = Object.values(stage.outputs ?? {});
  if (stage.status !== "done") {
    if (outputs.length === 0) return [];
    return [["output_foreign", `the stage ${stage.kind} is ${stage.status} and has outputs`]];
  }
  if (stage.epoch < 1 || stage.endedAt === undefined || stage.agent === undefined)
    return [["result_missing", `the stage ${stage.kind} is done, but nobody did it`]];
  const prefix = `${blobPrefix(job.id)}${stage.kind}/e${stage.epoch}-`;
  return outputs
    .filter(({ key }) => !key.startsWith(prefix))
    .map(({ key }) => [
      "output_foreign",
      `the stage ${stage.kind} of epoch ${stage.epoch} has the output ${key}`,
    ]);
}

/** Invariant 5: every claim but the last ended in a try that was counted, and no class went beyond its budget. */
function claimBreaches(stage: Stage): Breach[] {
  const tries = Object.entries(stage.tries ?? {}) as [TryClass, number][];
  const counted = tries.reduce((sum, [, n]) => sum + n, 0);
  const breaches: Breach[] = tries
    .filter(([of, n]) => n > TRIES_MAX[of])
    .map(([of, n]) => ["budget_overrun", `the stage ${stage.kind} has ${n} tries of the class ${of}`]);
  if (stage.epoch > counted + 1)
    breaches.push([
      "claims_unexplained",
      `the stage ${stage.kind} was claimed ${stage.epoch} times, and ${counted} tries are counted`,
    ]);
  return breaches;
}

/** For people: an instant, or that there is none. */
export function instant(ms: number | undefined): string {
  return ms === undefined ? "never" : new Date(ms).toISOString();
}
