/**
 * The job: one photograph on its way.
 *
 *   awaiting_upload ─uploaded─► queued ─first claim─► processing ─last stage ends─► succeeded ─retention─► expired
 *      │     │                    ├─not begun in time─┐   │
 *      │     └─slot ran out───────│──► expired ◄──────┘   │
 *      └──────── cancel ─► canceled ◄── cancel ───────────┤
 *                          failed   ◄── budget, deadline, bad image (from queued and processing)
 *
 * Terminal states never change, but succeeded → expired when the bytes are deleted. An erasure, asked for at any time,
 * cancels what has not ended, expires what has succeeded, and deletes everything twice (retention.ts).
 * `decide` (decide.ts) is the only code that moves a job; `apply` (functions/apply.ts) the only one that writes it.
 */
import type { IntakeMeasures } from "./analysis.ts";
import {
  DISCARD_AFTER_MS,
  FINISH_WITHIN_MS,
  INDEX_SHARDS,
  INTAKE_ASK_AGAIN_MS,
  RATE_AFTER_MS,
  UPLOAD_LOOK_MS,
  UPLOAD_TTL_MS,
} from "./limits.ts";
import { invariant } from "./fault.ts";
import { shardOf } from "./id.ts";
import type { BlobRef } from "./blob.ts";
import type { Terms } from "./money/terms.ts";
import type { Options } from "./options.ts";
import { chain, isLeased, isOpen, isReady, isWhole, type Stage, type StageKind } from "./stage.ts";

export type JobStatus =
  | "awaiting_upload"
  | "queued"
  | "processing"
  | "succeeded"
  | "failed"
  | "canceled"
  | "expired";

/** Reading the upload: a budgeted step of the job, run by the control plane in a quarantined process. */
interface Intake {
  status: "waiting" | "ready" | "running" | "done" | "failed";
  epoch: number;
  tries: number;
  /** How often it came to nothing through no fault of the image, and how often because an engine was away. */
  lost?: number;
  away?: number;
  /** While waiting: when to look for the upload. While ready: not before. While running: when the try counts as lost. */
  until?: number;
  /** While ready: when its reading is asked for anew, and how often it was. */
  askAt?: number;
  asks?: number;
  image?: BlobRef;
  alpha?: BlobRef;
}

export interface Job {
  readonly id: string;
  readonly org: string;
  /** What it is billed on. Absent where nothing is: a job without them writes no money rows. */
  readonly terms?: Terms;
  status: JobStatus;
  options: Options;
  readonly input: {
    readonly key: string;
    readonly contentType: string;
    readonly bytes: number;
    readonly sha256?: string;
  };
  intake: Intake;
  measures?: IntakeMeasures;
  stages: Stage[];
  readonly createdAt: number;
  /** When the upload slot closes. */
  readonly uploadBy: number;
  /** Not begun by then it expires; absent where nobody asked for it. */
  startBy?: number;
  /** Whatever happens, the job has ended by then. */
  finishBy: number;
  /** It was given more time after an outage, once. */
  extended?: true;
  queuedAt?: number;
  startedAt?: number;
  endedAt?: number;
  /** End of retention: the bytes are deleted. */
  expiresAt?: number;
  /** Intermediate bytes are gone. */
  discarded?: true;
  /** They were deleted, but somebody who had begun before its end may have written since: then they are deleted again. */
  discardAgainAt?: number;
  /** Its owner had it erased; nobody is shown it any more. */
  erasure?: { readonly at: number };
  error?: { code: string; message: string };
}

/** A row of the job's own partition, written in the same transaction as the job. */
export interface JobRow {
  readonly sk: "PLAN";
  readonly body: unknown;
}

export function newJob(
  ask: Pick<Job, "id" | "org" | "options" | "input" | "terms"> & { readonly uploaded: boolean },
  now: number,
): Job {
  const { id, org, options, input, uploaded, terms } = ask;
  const job: Job = {
    id,
    org,
    ...(terms === undefined ? {} : { terms }),
    status: "awaiting_upload",
    options,
    input,
    intake: { status: "waiting", epoch: 0, tries: 0, until: now + UPLOAD_LOOK_MS },
    stages: chain(),
    createdAt: now,
    uploadBy: now + UPLOAD_TTL_MS,
    finishBy: now + FINISH_WITHIN_MS,
  };
  if (uploaded) enqueue(job, now);
  return job;
}

/** Its photograph is there: from now on its customer's deadlines count. */
export function enqueue(job: Job, now: number): void {
  const { start_within, finish_within } = job.options.deadline ?? {};
  job.status = "queued";
  job.queuedAt = now;
  makeReadable(job, now, 0);
  if (start_within !== undefined) job.startBy = now + 1_000 * start_within;
  if (finish_within !== undefined) job.finishBy = Math.min(job.finishBy, now + 1_000 * finish_within);
}

/** Its file may be read after this pause. */
export function makeReadable({ intake }: Job, now: number, pauseMs: number): void {
  intake.status = "ready";
  delete intake.asks;
  if (pauseMs > 0) intake.until = now + pauseMs;
  else delete intake.until;
  intake.askAt = now + (pauseMs > 0 ? pauseMs : INTAKE_ASK_AGAIN_MS);
}

export function isTerminal(status: JobStatus): boolean {
  switch (status) {
    case "awaiting_upload":
    case "queued":
    case "processing":
      return false;
    case "succeeded":
    case "failed":
    case "canceled":
    case "expired":
      return true;
  }
}

export function stageOf(job: Job, kind: StageKind): Stage {
  const stage = job.stages.find((each) => each.kind === kind);
  invariant(stage !== undefined, `the job ${job.id} has the stage ${kind}`);
  return stage;
}

/** The pixels a stage works on: what the last finished stage before it wrote, or else the normalised upload. */
export function imageBefore(job: Job, kind: StageKind): BlobRef | undefined {
  let image = job.intake.image;
  for (const stage of job.stages) {
    if (stage.kind === kind) break;
    image = stage.outputs?.["image"] ?? image;
  }
  return image;
}

/** The restored photograph, once the job has succeeded. */
export function resultOf(job: Job): BlobRef | undefined {
  return job.status === "succeeded" ? stageOf(job, "finish").outputs?.["image"] : undefined;
}

// ------------------------------------------------------------------------------------------- keys and index entries

export function jobKey(id: string): { pk: string; sk: string } {
  return { pk: `JOB#${id}`, sk: "JOB" };
}

/** Everything a job writes lies under it. */
export function blobPrefix(jobId: string): string {
  return `jobs/${jobId}/`;
}

/** Sort keys of time: fixed width, so that text order is time order. */
export function timeKey(ms: number): string {
  return String(Math.max(0, Math.floor(ms))).padStart(15, "0");
}

export type DueClass = "lease" | "ring" | "money" | "retention";
/** The most urgent first. */
export const DUE_CLASSES: readonly DueClass[] = ["lease", "ring", "money", "retention"];

export function duePartition(dueClass: DueClass, shard: number): string {
  return `DUE#${dueClass}#${shard}`;
}

export function readyPartition(shard: number): string {
  return `READY#standard#any#${shard}`;
}

interface Deadline {
  readonly at: number;
  readonly of: DueClass;
}

/** Every open deadline of a job. The item's one timer is their minimum; its class the most urgent among them. */
function deadlines(job: Job): Deadline[] {
  const all: Deadline[] = [];
  const add = (of: DueClass, at: number | undefined): void => {
    if (at !== undefined) all.push({ of, at });
  };
  if (isTerminal(job.status)) {
    add("retention", discardAt(job));
    if (job.status === "succeeded") add("retention", job.expiresAt);
    return all;
  }
  add("lease", job.finishBy);
  if (job.status === "queued") add("ring", job.startBy);
  if (job.status === "awaiting_upload") {
    add("ring", job.uploadBy);
    add("ring", job.intake.until);
  }
  if (job.intake.status === "ready") add("ring", job.intake.askAt ?? job.queuedAt);
  if (job.intake.status === "running") add("lease", job.intake.until);
  for (const stage of job.stages) {
    if (isReady(stage)) add("ring", stage.ringAt);
    if (isLeased(stage)) {
      add("lease", stage.lookAt);
      add("lease", stage.hardDeadline);
    }
  }
  return all;
}

/** When the job wants to be looked at next; undefined when nothing is open any more. */
export function nextDue(job: Job): Deadline | undefined {
  const all = deadlines(job);
  if (all.length === 0) return undefined;
  const leased = job.stages.some(isLeased) || job.intake.status === "running";
  const of: DueClass = isTerminal(job.status) ? "retention" : leased ? "lease" : "ring";
  return { of, at: Math.min(...all.map((each) => each.at)) };
}

/** The index entries of a job: a function of its state, so none can be forgotten. */
export function jobIndexes(job: Job): Partial<Record<"org" | "due" | "ready", { pk: string; sk: string }>> {
  const shard = shardOf(job.id, INDEX_SHARDS);
  const due = nextDue(job);
  const ready = job.stages.find(isReady);
  return {
    ...(job.erasure === undefined ? { org: { pk: `ORG#${job.org}`, sk: job.id } } : {}),
    ...(due === undefined
      ? {}
      : { due: { pk: duePartition(due.of, shard), sk: `${timeKey(due.at)}#${job.id}` } }),
    ...(ready === undefined
      ? {}
      : {
          ready: {
            pk: readyPartition(shard),
            sk: `${timeKey(ready.notBefore ?? ready.readyAt)}#${job.id}`,
          },
        }),
  };
}

// ---------------------------------------------------------------------------------------------------------- commands

/** What the control plane does after a commit. All are idempotent. */
export type Command =
  | { readonly do: "ring"; readonly job: string; readonly org: string; readonly delayMs: number }
  | { readonly do: "intake"; readonly job: string }
  | {
      readonly do: "discard";
      readonly job: string;
      readonly input: string;
      readonly keep: readonly string[];
      /** When it was begun: what is written later it cannot have met. */
      readonly at: number;
    }
  /** The month of an account has something to be rated. */
  | { readonly do: "rate"; readonly job: string; readonly org: string; readonly month: string };

/** What a job is owed now: a function of its state, never of the event, so that a crash after a commit loses nothing. */
export function owed(job: Job, now: number): Command[] {
  if (isTerminal(job.status)) {
    const { id, org, terms, endedAt } = job;
    // Later, the timer of the row that its end left for the rater has rung already.
    const isFresh = terms !== undefined && endedAt !== undefined && now - endedAt < RATE_AFTER_MS;
    const due = (discardAt(job) ?? Infinity) <= now;
    return [
      ...(isFresh ? [{ do: "rate", job: id, org, month: terms.month } as const] : []),
      ...(due ? [{ do: "discard", job: id, input: job.input.key, keep: kept(job), at: now } as const] : []),
    ];
  }
  const commands: Command[] = [];
  if (job.intake.status === "ready" && (job.intake.until ?? 0) <= now)
    commands.push({ do: "intake", job: job.id });
  const ready = job.stages.filter((stage) => stage.status === "ready");
  if (ready.length > 0) {
    const from = Math.min(...ready.map((stage) => stage.notBefore ?? 0));
    commands.push({ do: "ring", job: job.id, org: job.org, delayMs: Math.max(0, from - now) });
  }
  return commands;
}

/** When bytes of an ended job are to be deleted next; undefined when none are. */
function discardAt({ discarded, discardAgainAt, endedAt, erasure }: Job): number | undefined {
  if (endedAt === undefined || discarded === true) return undefined;
  return discardAgainAt ?? erasure?.at ?? endedAt + DISCARD_AFTER_MS;
}

/** The keys that outlive the job's work: its result, until retention ends. */
export function kept(job: Job): string[] {
  if (job.status !== "succeeded") return [];
  const { outputs } = stageOf(job, "finish");
  invariant(outputs !== undefined, `the restoration ${job.id} has its result`);
  return [...Object.values(outputs).map((blob) => blob.key), job.input.key];
}

/** Asserted at every write: what must hold for any stored job. */
export function jobBreach(job: Job): string | undefined {
  if (isTerminal(job.status) && job.stages.some(isOpen)) return "a terminal job has an open stage";
  if (isTerminal(job.status) !== (job.endedAt !== undefined))
    return "a job has its end if and only if it has ended";
  const lacking = job.stages.find((stage) => !isWhole(stage));
  if (lacking !== undefined) return `the ${lacking.status} stage ${lacking.kind} lacks what it has then`;
  return undefined;
}
