/** What must hold for a job as it is stored, and for the way from one state to the next. */
import type { Job } from "#shared/domain/job.ts";
import type { Stage } from "#shared/domain/stage.ts";
import type { Item } from "#shared/ports.ts";
import type { Change } from "./store-engine.ts";

type Tell = (invariant: number, what: string) => void;

interface Judge {
  readonly breach: Tell;
  /** The stored bytes' digest, if there are any. */
  readonly digestOf: (key: string) => string | undefined;
  readonly now: number;
}

const LOOK_AT_MOST_MS = 23_000;
const DISCARD_MS = 600_000;
/** Results are kept for hours: clocks differ by less. */
const KEPT_MARGIN_MS = 60_000;
/** More claims than all budgets of a stage allow together. */
const CLAIMS_MAX = 140;
const OVER = new Set(["succeeded", "failed", "canceled", "expired"]);
const ENDED = new Set(["done", "skipped", "failed", "canceled"]);

export function isOver(job: Job): boolean {
  return OVER.has(job.status);
}

/** The item alone. */
export function checkJobItem({ after }: Change, breach: Tell): void {
  if (after === undefined) return;
  const job = after.body as Job;
  const { image } = job.intake;
  if (image !== undefined && !image.key.startsWith(`jobs/${job.id}/intake/e${job.intake.epoch}-`))
    breach(6, `${job.id} took ${image.key} from another reader than its last`);
  if (job.intake.epoch > CLAIMS_MAX) breach(5, `${job.id} was read ${job.intake.epoch} times`);
  for (const stage of job.stages) checkStage(job, stage, breach);
  if (isOver(job) && job.stages.some(({ status }) => !ENDED.has(status)))
    breach(8, `${job.id} is ${job.status} with an open stage`);
  checkTimer(job, after, breach);
  const isReady = job.stages.some(({ status }) => status === "ready");
  if (isReady !== (after.indexes.ready !== undefined))
    breach(9, `${job.id}: the ready index does not say whether a stage is ready`);
}

function checkStage(job: Job, stage: Stage, breach: Tell): void {
  const name = `${job.id} ${stage.kind}`;
  if (stage.epoch > CLAIMS_MAX) breach(5, `${name} was claimed ${stage.epoch} times`);
  if (stage.status === "leased") {
    const { agent, claimId, startedAt, lookAt, hardDeadline } = stage;
    if (!agent || !claimId || startedAt === undefined || lookAt === undefined || hardDeadline === undefined)
      breach(8, `${name} is leased without agent, claim or deadlines`);
    else if (hardDeadline <= startedAt) breach(8, `${name} has no time`);
  }
  const isBegun = stage.status === "ready" || stage.status === "leased" || stage.status === "done";
  // The stages are a chain: whatever stands before it, skipped or not, has come to its end.
  const before = job.stages.slice(0, job.stages.indexOf(stage));
  const waits = before.some(({ status }) => !ENDED.has(status));
  if (stage.status === "blocked" && job.intake.status === "done" && !waits)
    breach(10, `${name} is blocked by nothing`);
  if (isBegun && waits) breach(10, `${name} is ${stage.status} before what it waits for`);
}

/** The one timer is the least of all open deadlines (15). */
function checkTimer(job: Job, { indexes }: Item, breach: Tell): void {
  const all: number[] = [];
  if (isOver(job)) {
    if (job.discarded !== true && job.endedAt !== undefined)
      all.push(job.discardAgainAt ?? job.erasure?.at ?? job.endedAt + DISCARD_MS);
    if (job.status === "succeeded" && job.expiresAt !== undefined) all.push(job.expiresAt);
  } else {
    all.push(job.finishBy);
    if (job.status === "queued" && job.startBy !== undefined) all.push(job.startBy);
    const { status, until, askAt } = job.intake;
    if (job.status === "awaiting_upload") all.push(Math.min(job.uploadBy, until ?? job.uploadBy));
    if (status === "ready") all.push(askAt ?? 0);
    if (status === "running" && until !== undefined) all.push(until);
    for (const stage of job.stages) {
      if (stage.status === "ready") all.push(Math.max(stage.ringAt ?? 0, stage.notBefore ?? 0));
      if (stage.status === "leased") all.push(stage.lookAt ?? Infinity, stage.hardDeadline ?? Infinity);
    }
  }
  const due = indexes.due;
  if (all.length === 0) {
    if (due !== undefined) breach(15, `${job.id} has a timer and nothing open`);
    return;
  }
  const at = Math.floor(Math.min(...all));
  if (due === undefined || Number(due.sk.split("#", 1)[0]) !== at)
    breach(15, `${job.id}: the timer says ${due?.sk ?? "nothing"}, its deadlines ${at}`);
  if (isOver(job) && due !== undefined && !due.pk.startsWith("DUE#retention#"))
    breach(8, `${job.id} is over and stands in ${due.pk}`);
}

/** From one state to the next. */
export function checkJobChange({ before, after, write }: Change, { breach, digestOf, now }: Judge): void {
  if (before === undefined || after === undefined) return;
  const old = before.body as Job;
  const job = after.body as Job;
  if (isOver(old)) checkEnded(old, job, { breach, now });
  else checkDeadlines(old, job, breach);
  if (after.rev < before.rev) breach(12, `${job.id}: rev fell`);
  if (write.op === "put" && write.keepRev === true && !isSameButTimers(old, job))
    breach(12, `${job.id}: a write that keeps its rev changed more than timers`);
  if (after.rev > before.rev && isSameButTimers(old, job) && JSON.stringify(old) !== JSON.stringify(job))
    breach(12, `${job.id}: a look that changed only a timer raised its rev`);
  for (const [i, stage] of job.stages.entries()) {
    const was = old.stages[i];
    if (was === undefined || was.kind !== stage.kind) {
      breach(12, `${job.id}: its stages changed places`);
      continue;
    }
    checkStep(job, { was, stage }, { breach, digestOf });
  }
}

function checkEnded(old: Job, job: Job, { breach, now }: Pick<Judge, "breach" | "now">): void {
  const isExpiry = old.status === "succeeded" && job.status === "expired";
  if (isExpiry && job.erasure === undefined && now < (old.expiresAt ?? 0) - KEPT_MARGIN_MS)
    breach(4, `${job.id} expired before its time`);
  if (job.status !== old.status && !isExpiry) breach(4, `${job.id} went from ${old.status} to ${job.status}`);
  if (JSON.stringify(job.stages) !== JSON.stringify(old.stages))
    breach(4, `${job.id} is ${old.status} and its stages changed`);
}

/** By the instants that it says itself, nothing is begun after its customer's deadline, and nothing ended by it before. */
function checkDeadlines(old: Job, job: Job, breach: Tell): void {
  const { startedAt = 0, endedAt = 0, startBy = Infinity, finishBy } = job;
  if (old.status !== "queued" && old.status !== "processing") return;
  if (startedAt >= startBy) breach(1, `${job.id} was begun after its deadline`);
  if (job.status === "expired" && endedAt < startBy) breach(1, `${job.id} expired before its deadline`);
  if (job.status === "failed" && job.error?.code === "deadline_exceeded" && endedAt < finishBy)
    breach(1, `${job.id} failed before its deadline`);
}

function checkStep(
  job: Job,
  { was, stage }: { readonly was: Stage; readonly stage: Stage },
  { breach, digestOf }: Pick<Judge, "breach" | "digestOf">,
): void {
  const name = `${job.id} ${stage.kind}`;
  const isClaim = stage.status === "leased" && (was.status !== "leased" || was.epoch !== stage.epoch);
  if (isClaim) {
    if (stage.epoch !== was.epoch + 1) breach(7, `${name}: epoch ${was.epoch} → ${stage.epoch} by a claim`);
    // A stage may become ready and be claimed in the very commit that ends the one before it.
    if (was.status !== "ready" && was.status !== "blocked")
      breach(12, `${name} was ${was.status} when claimed`);
    if ((stage.lookAt ?? Infinity) - (stage.startedAt ?? 0) > LOOK_AT_MOST_MS)
      breach(8, `${name} is first looked at too late`);
  } else if (stage.epoch !== was.epoch) breach(7, `${name}: epoch ${was.epoch} → ${stage.epoch}`);
  if (was.status === "done" && stage.status !== "done") breach(2, `${name} was done and is ${stage.status}`);
  if (was.status === "done" && JSON.stringify(was.outputs) !== JSON.stringify(stage.outputs))
    breach(6, `${name} is done and its outputs changed`);
  if (was.status !== "done" && stage.status === "done") {
    if (was.status !== "leased") breach(2, `${name} was ${was.status} when it was done`);
    if (was.agent !== stage.agent || was.claimId !== stage.claimId)
      breach(12, `${name} was done by another than its holder`);
    for (const output of Object.values(stage.outputs ?? {})) {
      if (!output.key.startsWith(`jobs/${job.id}/${stage.kind}/e${stage.epoch}-`))
        breach(6, `${name} accepted ${output.key} under epoch ${stage.epoch}`);
      if (digestOf(output.key) !== output.sha256) breach(6, `${name} accepted bytes that are not stored`);
    }
  }
}

function isSameButTimers(old: Job, job: Job): boolean {
  // What nearly always differs comes first: the rest is slow.
  if (old.status !== job.status || old.intake.status !== job.intake.status) return false;
  if (job.stages.some(({ status }, i) => status !== old.stages[i]?.status)) return false;
  const bare = (each: Job): string =>
    JSON.stringify({ ...each, stages: each.stages.map((stage) => ({ ...stage, lookAt: 0 })) });
  return bare(old) === bare(job);
}
