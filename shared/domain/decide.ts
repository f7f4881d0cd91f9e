/**
 * decide(job, event, now): the one place where a job moves. Pure and total: every event is answered in every state;
 * duplicates and latecomers change nothing and are no errors. The states are drawn in job.ts and stage.ts.
 */
import type { Claim, JobEvent } from "./event.ts";
import { budgetOf, FLEET, retryDelayMs, type Policy } from "./budget.ts";
import { clear, end } from "./ending.ts";
import { askAgain, failIntake, loseIntake, startIntake, uploaded } from "./intake.ts";
import {
  ALONE_MAX,
  CAUTION_MS,
  LEASE_GUARD_MS,
  LEASE_MS,
  LOST_BEFORE_CAUTION,
  LOST_MAX,
  QUEUE_DELAY_MS_MAX,
  RELEASED_MAX,
  RING_AGAIN_MS,
  RING_AGAIN_MS_MAX,
  UPLOAD_LOOK_MS,
} from "./limits.ts";
import { isTerminal, stageOf, type Job, type JobRow } from "./job.ts";
import { tryMsMax } from "./lease.ts";
import { endRows } from "./money/end-rows.ts";
import type { Row } from "./money/row.ts";
import { planStages } from "./plan.ts";
import { discarded, erase, expire } from "./retention.ts";
import {
  isLeased,
  isOpen,
  isReady,
  type Failure,
  type LeasedStage,
  type Stage,
  type StageKind,
  type TryClass,
} from "./stage.ts";

export interface Decision {
  /** The job as it is to be stored; the very job given, when nothing changes. */
  readonly job: Job;
  /** Further rows of the job's partition, put in the same transaction. */
  readonly rows: readonly JobRow[];
  /** What its end leaves to the rater and owes to others, put (absent) in the same transaction. */
  readonly owing: readonly Row[];
  /** A look moves only timers: it is written without raising `rev`, so that it never makes a complete stale. */
  readonly timersOnly: boolean;
}

export function decide(before: Job, event: JobEvent, now: number, policy: Policy = FLEET): Decision {
  const job = draftOf(before);
  const moved = move(job, event, now, policy);
  if (moved === false) return { job: before, rows: [], owing: [], timersOnly: false };
  return {
    job,
    rows: moved === true ? [] : moved.rows,
    owing: endRows(before, job, now),
    timersOnly: event.type === "looked" && event.held,
  };
}

/** A copy of all that events move: the job itself, its intake and stages. What lies deeper is replaced, never changed. */
function draftOf(job: Job): Job {
  return {
    ...job,
    intake: { ...job.intake },
    stages: job.stages.map((stage) => ({ ...stage })),
  };
}

/** Moves the draft; false when the event changes nothing. */
function move(job: Job, event: JobEvent, now: number, policy: Policy): boolean | { rows: JobRow[] } {
  switch (event.type) {
    case "uploaded":
      return uploaded(job, now);
    case "intake-started":
      return startIntake(job, now);
    case "intake-done":
      if (!isReading(job, event.epoch) && !isReadAfterAll(job, event.epoch)) return false;
      job.intake = {
        ...job.intake,
        status: "done",
        image: event.image,
        ...(event.alpha ? { alpha: event.alpha } : {}),
      };
      delete job.intake.until;
      delete job.intake.askAt;
      delete job.intake.asks;
      job.measures = event.measures;
      promote(job, now);
      return true;
    case "intake-failed":
      if (!isReading(job, event.epoch)) return false;
      return failIntake(job, event, now);
    case "intake-lost":
      if (!isReading(job, event.epoch)) return false;
      return loseIntake(job, event.why, now);
    case "claimed":
      return claim(job, event, now, policy);
    case "completed":
      return complete(job, event, now, policy);
    case "failed": {
      const stage = leasedBy(job, event);
      if (stage === undefined) return false;
      failStage(job, stage, { failure: event.failure, message: event.message }, now, policy);
      return true;
    }
    case "released": {
      const stage = leasedBy(job, event);
      if (stage === undefined) return false;
      retry(job, stage, "released", now);
      return true;
    }
    case "looked":
      return look(job, event, now);
    case "cancel-asked":
      if (isTerminal(job.status)) return false;
      end(job, "canceled", now);
      return true;
    case "due":
      return due(job, event, now, policy);
    case "discarded":
      return discarded(job, event);
    case "erase-asked":
      return erase(job, now);
  }
}

/** Whether the try that speaks is the one under way. A job that has ended is read for nobody, whatever its reader says. */
function isReading({ status, intake }: Job, epoch: number): boolean {
  return !isTerminal(status) && intake.status === "running" && intake.epoch === epoch;
}

/** It was given up as lost, and nobody has begun another since. */
function isReadAfterAll({ status, intake }: Job, epoch: number): boolean {
  return !isTerminal(status) && intake.status === "ready" && intake.epoch === epoch && epoch > 0;
}

// ------------------------------------------------------------------------------------------------------------ stages

function claim(job: Job, event: Claim, now: number, policy: Policy): boolean {
  if (isTerminal(job.status) || startsTooLate(job, now)) return false;
  const stage = job.stages.find((each) => isClaimable(each, event, now, policy));
  if (stage === undefined) return false;
  stage.status = "leased";
  stage.epoch += 1;
  stage.claimId = event.claimId;
  stage.agent = event.agent;
  stage.startedAt = now;
  stage.lookAt = now + LEASE_MS + LEASE_GUARD_MS;
  stage.hardDeadline = now + tryMsMax(job, stage.kind);
  clear(stage, "readyAt", "notBefore", "ringAt", "rings");
  if (job.status === "queued") {
    job.status = "processing";
    job.startedAt = now;
  }
  return true;
}

/** Nobody has begun it, and its customer does not want it begun any more. */
function startsTooLate({ status, startBy }: Job, now: number): boolean {
  return status === "queued" && startBy !== undefined && startBy <= now;
}

function isClaimable(stage: Stage, by: Claim, now: number, policy: Policy): boolean {
  if (!isReady(stage) || (stage.notBefore ?? 0) > now) return false;
  const isFresh = now < (stage.notBefore ?? stage.readyAt) + CAUTION_MS;
  // What took its agents with it may do so again: nothing else should go with the next one.
  if (isFresh && (stage.tries?.lost ?? 0) >= LOST_BEFORE_CAUTION && !by.idle) return false;
  // Perhaps not the photograph but the machine was to blame, and a broken one is idle soonest.
  if (isFresh && policy.agentsMin > 1 && hasFailedOn(stage, by.agent)) return false;
  return (
    by.can.stages.includes(stage.kind) && (stage.model === undefined || by.can.models.includes(stage.model))
  );
}

/** Whether it was the last on which the stage failed so. */
function hasFailedOn({ failedOn = {} }: Stage, agent: string): boolean {
  return Object.values(failedOn).some((agents) => agents.at(-1) === agent);
}

/** The stage an agent speaks of, if it is still its own. */
function leasedBy(job: Job, of: { stage: StageKind; epoch: number; agent: string }): LeasedStage | undefined {
  const stage = stageOf(job, of.stage);
  return isLeased(stage) && stage.epoch === of.epoch && stage.agent === of.agent ? stage : undefined;
}

function complete(
  job: Job,
  event: JobEvent & { type: "completed" },
  now: number,
  policy: Policy,
): boolean | { rows: JobRow[] } {
  const stage = leasedBy(job, event);
  if (stage === undefined) return false;
  stage.status = "done";
  stage.endedAt = now;
  stage.outputs = event.outputs;
  stage.timings = event.timings;
  if (event.warnings.length > 0) stage.warnings = [...event.warnings];
  if (event.model !== undefined) stage.model = event.model;
  clear(stage, "lookAt", "hardDeadline");
  const rows: JobRow[] = [];
  if (stage.kind === "analyze" && event.analysis !== undefined && job.measures !== undefined) {
    const plan = planStages({
      options: job.options,
      measures: job.measures,
      analysis: event.analysis,
      can: event.can,
    });
    for (const step of plan.steps) {
      const target = stageOf(job, step.kind);
      if (target.status !== "blocked") continue;
      if (!step.run) target.status = "skipped";
      else if (step.model !== undefined) target.model = step.model;
    }
    rows.push({ sk: "PLAN", body: { plan, analysis: event.analysis } });
  }
  promote(job, now);
  if (job.stages.every((each) => each.status === "done" || each.status === "skipped")) {
    end(job, "succeeded", now);
  } else if (event.nextClaimId !== undefined) {
    claim(job, { agent: event.agent, claimId: event.nextClaimId, can: event.can, idle: true }, now, policy);
  }
  return { rows };
}

/** Stages whose dependencies have all ended become ready. */
function promote(job: Job, now: number): void {
  for (const stage of job.stages) {
    if (stage.status !== "blocked") continue;
    if (!waits(job, stage)) makeReady(stage, now, 0);
  }
}

/** Whether something before it is unfinished. Who waits for a skipped stage waits for what that one waited for. */
function waits(job: Job, { deps }: Stage): boolean {
  return deps.some((kind) => {
    const before = stageOf(job, kind);
    return isOpen(before) || (before.status === "skipped" && waits(job, before));
  });
}

function makeReady(stage: Stage, now: number, delayMs: number): void {
  stage.status = "ready";
  stage.readyAt = now;
  delete stage.rings;
  // A bell that the queue cannot keep for so long is rung by this timer alone.
  stage.ringAt = now + delayMs + (delayMs > QUEUE_DELAY_MS_MAX ? 0 : RING_AGAIN_MS);
  if (delayMs > 0) stage.notBefore = now + delayMs;
  clear(stage, "claimId", "agent", "startedAt", "lookAt", "hardDeadline");
}

function failStage(
  job: Job,
  stage: LeasedStage,
  failed: { failure: Failure; message: string },
  now: number,
  policy: Policy,
): void {
  if (failed.failure === "bad_image")
    return end(job, "failed", now, { code: "input_unreadable", message: failed.message }, stage);
  const budget = budgetOf(failed.failure, policy);
  const spent = (stage.tries?.[budget.of] ?? 0) + 1;
  const others = (stage.failedOn?.[budget.of] ?? []).filter((agent) => agent !== stage.agent);
  const on = [...others, stage.agent].slice(-ALONE_MAX);
  stage.failedOn = { ...stage.failedOn, [budget.of]: on };
  const { max, wide } = budget;
  const isSpent = spent >= max || (wide !== undefined && spent >= wide.tries && on.length >= wide.agents);
  if (!isSpent) return retry(job, stage, budget.of, now);
  stage.tries = { ...stage.tries, [budget.of]: spent };
  end(job, "failed", now, { code: budget.code, message: failed.message }, stage);
}

/** One more try, counted in its class, after a pause that grows with the class. */
function retry(job: Job, stage: LeasedStage, of: TryClass, now: number): void {
  const spent = (stage.tries?.[of] ?? 0) + 1;
  stage.tries = { ...stage.tries, [of]: spent };
  const isSpent = (of === "lost" && spent >= LOST_MAX) || (of === "released" && spent >= RELEASED_MAX);
  if (!isSpent) return makeReady(stage, now, retryDelayMs(of, spent));
  const message = "Our machines failed this photograph too often; nothing is billed. Please send it again.";
  end(job, "failed", now, { code: "infra", message }, stage);
}

function look(job: Job, event: JobEvent & { type: "looked" }, now: number): boolean {
  const stage = stageOf(job, event.stage);
  if (!isLeased(stage) || stage.epoch !== event.epoch) return false;
  if (event.held && event.lookAt <= stage.lookAt) return false;
  if (event.held) stage.lookAt = event.lookAt;
  else retry(job, stage, "lost", now);
  return true;
}

// ------------------------------------------------------------------------------------------------------------ timers

/** What its customer has set stands. */
function extend(job: Job, { graceMs }: Policy): boolean {
  if (graceMs <= 0 || job.extended === true || job.options.deadline?.finish_within !== undefined)
    return false;
  job.extended = true;
  job.finishBy += graceMs;
  return true;
}

function due(job: Job, event: JobEvent & { type: "due" }, now: number, policy: Policy): boolean {
  if (isTerminal(job.status)) return expire(job, now);
  if (job.finishBy <= now) {
    if (extend(job, policy)) return true;
    end(job, "failed", now, { code: "deadline_exceeded", message: "It did not finish in time." });
    return true;
  }
  if (startsTooLate(job, now)) {
    end(job, "expired", now, { code: "deadline_exceeded", message: "It did not start in time." });
    return true;
  }
  if (job.status === "awaiting_upload") {
    if (event.objectThere === true) return uploaded(job, now);
    if (job.uploadBy <= now) {
      end(job, "expired", now);
      return true;
    }
    if (job.intake.until !== undefined && job.intake.until > now) return false;
    job.intake.until = now + Math.max(UPLOAD_LOOK_MS, now - job.createdAt);
    return true;
  }
  const { status, until, askAt = 0 } = job.intake;
  // Nobody has told how it ended: whoever read it is gone. What kills its reader is told by the reader's parent.
  if (status === "running" && until !== undefined && until <= now) return loseIntake(job, "reader", now);
  let moved = status === "ready" && askAt <= now;
  if (moved) askAgain(job, now);
  for (const stage of job.stages) {
    if (isLeased(stage) && stage.hardDeadline <= now) {
      const message = `The stage ${stage.kind} ran past its deadline.`;
      failStage(job, stage, { failure: "gpu_hang", message }, now, policy);
      moved = true;
    } else if (isReady(stage) && stage.ringAt <= now) {
      stage.rings = (stage.rings ?? 0) + 1;
      stage.ringAt = now + Math.min(RING_AGAIN_MS_MAX, RING_AGAIN_MS * 2 ** stage.rings);
      moved = true;
    }
  }
  return moved;
}
