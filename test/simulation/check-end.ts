/** What must hold when a run has come to rest: everything has ended, and each end has its reason. */
import type { Job } from "#shared/domain/job.ts";
import type { Checker } from "./checker.ts";
import { isOver } from "./check-job.ts";
import { injectedOf, type Fate, type Fates } from "./fates.ts";

/** Worker deaths without which no photograph is poison. */
const DEATHS_MIN = 3;
/** The same where all of them died on one agent. */
const DEATHS_ALONE_MIN = 5;

export interface EndCounts {
  lost: number;
  innocentPoisoned: number;
  /** Failed through no fault of the photograph. */
  infra: number;
  /** Those whose retention has ended meanwhile included. */
  succeeded: number;
  canceled: number;
  failed: number;
  /** Before they were begun. */
  expired: number;
  /** How the failed ones ended, by the code of their error. */
  readonly codes: Record<string, number>;
}

export function checkEnd(parts: {
  readonly checker: Checker;
  readonly fates: Fates;
  /** Jobs that their customers know of. */
  readonly accepted: ReadonlySet<string>;
  readonly digestOf: (key: string) => string | undefined;
  /** Tries of the job's intake that ended with their process, or without an engine. */
  readonly intakeExcuses: (jobId: string) => number;
  /** Whether the run went on until this job's bytes, or its upload's end, had come. */
  readonly isWaitedFor: (jobId: string) => boolean;
  /** How many objects lie below its prefix. Absent: it was not waited until they are gone. */
  readonly bytesOf: ((jobId: string) => number) | undefined;
  readonly hasTimer: (jobId: string) => boolean;
}): EndCounts {
  const { checker, fates, accepted, digestOf } = parts;
  const counts: EndCounts = {
    lost: 0,
    innocentPoisoned: 0,
    infra: 0,
    succeeded: 0,
    canceled: 0,
    failed: 0,
    expired: 0,
    codes: {},
  };

  function lost(why: string): void {
    counts.lost += 1;
    checker.breach(1, why);
  }

  function checkFailed(job: Job): void {
    counts.failed += 1;
    const code = job.error?.code ?? "none";
    counts.codes[code] = (counts.codes[code] ?? 0) + 1;
    const fate = fates.of(job.id);
    const stage = job.stages.find(({ status }) => status === "failed");
    const name = `${job.id} failed as ${job.error?.code} at ${stage?.kind ?? "its intake"}`;
    switch (job.error?.code) {
      case "poison":
        if (stage !== undefined && isPoison(fate, stage.kind)) return;
        counts.innocentPoisoned += 1;
        checker.breach(14, `${name} after ${injectedOf(fate, stage?.kind ?? "", "death")} deaths`);
        return;
      case "image_broken":
        if (!fate.isBadImage) checker.breach(1, `${name} with a good image`);
        return;
      case "input_unreadable":
        if (fate.killsDecoder && fate.intakeDeaths >= 1) return;
        counts.infra += 1;
        if (parts.intakeExcuses(job.id) < DEATHS_MIN) checker.breach(1, `${name} with a good image`);
        return;
      case "infra":
        // An image that takes its reader's whole process with it, each time, is not innocent.
        if (fate.killsDecoder && fate.intakeDeaths > 0) return;
        if (fate.isUnreadable && stage === undefined) return;
        // Nor is one that takes its agent with it.
        if (stage !== undefined && injectedOf(fate, stage.kind, "agent") >= DEATHS_MIN) return;
        counts.infra += 1;
        return;
      case "out_of_memory":
        if (stage === undefined || fate.tooLargeAt !== stage.kind)
          checker.breach(1, `${name} though there was room for it`);
        return;
      case "deadline_exceeded":
        if (fate.deadline.finish_within === undefined) checker.breach(1, `${name}, which nobody asked for`);
        return;
      case undefined:
      default:
        checker.breach(1, `${name}, which nothing explains`);
    }
  }

  /** Enough workers died of it, on two agents or often enough on one. */
  function isPoison(fate: Fate, stage: string): boolean {
    const deaths = injectedOf(fate, stage, "death");
    const agents = fate.diedOn.get(stage)?.size ?? 0;
    return deaths >= (agents > 1 ? DEATHS_MIN : DEATHS_ALONE_MIN);
  }

  /** Nobody is shown what was erased; and of all but results nothing is left when it was waited for. */
  function checkGone(job: Job): void {
    if (job.erasure !== undefined && job.status === "succeeded")
      checker.breach(4, `${job.id} was erased and is shown`);
    if (parts.bytesOf === undefined || job.status === "succeeded") return;
    if (parts.bytesOf(job.id) > 0) checker.breach(4, `${job.id} is ${job.status} and bytes of it are there`);
    if (parts.hasTimer(job.id)) checker.breach(8, `${job.id} is ${job.status} and has a timer`);
  }

  for (const job of checker.jobs.values()) {
    // Created, but the answer never came: nobody sends its bytes.
    const fate = fates.find(job.id);
    if (!isOver(job)) {
      if (job.status !== "awaiting_upload" || parts.isWaitedFor(job.id))
        lost(`${job.id} is still ${job.status}`);
      continue;
    }
    checkGone(job);
    if (fate === undefined) continue;
    const losses = (job.intake.lost ?? 0) + (job.intake.away ?? 0);
    const excused = parts.intakeExcuses(job.id) + fate.intakeDeaths + fate.intakeStumbles;
    if (losses > excused)
      checker.breach(8, `${job.id} was taken from its reader ${losses - excused} times without reason`);
    if (job.status === "succeeded") {
      counts.succeeded += 1;
      const last = job.stages.at(-1)?.outputs?.["image"];
      if (last === undefined || digestOf(last.key) !== last.sha256)
        checker.breach(6, `${job.id} has no result`);
      if (job.stages.some(({ status }) => status !== "done" && status !== "skipped"))
        checker.breach(2, `${job.id} succeeded with an unfinished stage`);
    } else if (job.status === "canceled") {
      counts.canceled += 1;
      if (fate.cancelAfterMs === undefined && job.erasure === undefined)
        checker.breach(13, `${job.id} was canceled by nobody`);
    } else if (job.status === "failed") checkFailed(job);
    else if (job.stages.every(({ status }) => status === "done" || status === "skipped"))
      counts.succeeded += 1;
    else {
      counts.expired += 1;
      if (job.queuedAt === undefined && !fate.neverUploads && !fate.missesSlot)
        lost(`${job.id} expired with its bytes there`);
      const isUnbegun = job.queuedAt !== undefined && job.startedAt === undefined;
      if (isUnbegun && fate.deadline.start_within === undefined) lost(`${job.id} expired in its queue`);
    }
  }
  for (const id of accepted) if (!checker.jobs.has(id)) lost(`${id} was accepted and is not stored`);
  return counts;
}
