/**
 * What a stored job must look like to be worked on. Documents outlive the code that wrote them and may be damaged by a
 * hand or a disk; whoever reads one is told so by a Fault instead of stumbling over it somewhere later.
 */
import { z } from "zod";
import { BlobRef } from "./blob.ts";
import { Fault } from "./fault.ts";
import type { Job, JobStatus } from "./job.ts";
import { isWhole, STAGE_KINDS, type Stage, type StageStatus, type TryClass } from "./stage.ts";

/** More than any chain has: a document with more is none of ours. */
const STAGES_MAX = 12;
/** The names of a union type, held to be all of them by the compiler. */
const JOB_STATUSES = Object.keys({
  awaiting_upload: true,
  queued: true,
  processing: true,
  succeeded: true,
  failed: true,
  canceled: true,
  expired: true,
} satisfies Record<JobStatus, true>) as JobStatus[];
const STAGE_STATUSES = Object.keys({
  blocked: true,
  ready: true,
  leased: true,
  done: true,
  skipped: true,
  failed: true,
  canceled: true,
} satisfies Record<StageStatus, true>) as StageStatus[];
const TRY_CLASSES = Object.keys({
  lost: true,
  crashed: true,
  transient: true,
  device: true,
  disk: true,
  oom: true,
  model: true,
  released: true,
  bug: true,
} satisfies Record<TryClass, true>) as TryClass[];

const count = z.int().min(0);
/** Milliseconds since the epoch. */
const moment = z.number().min(0).max(8.64e15);
const name = z.string().min(1).max(200);

// What is not named here is let be: a newer version may have written more, and nothing of it gets lost (readJob answers
// with the body itself).
const StageDocument = z.object({
  kind: z.enum(STAGE_KINDS),
  status: z.enum(STAGE_STATUSES),
  deps: z.array(z.enum(STAGE_KINDS)).max(STAGES_MAX),
  model: name.optional(),
  epoch: count,
  readyAt: moment.optional(),
  notBefore: moment.optional(),
  rings: count.optional(),
  ringAt: moment.optional(),
  claimId: name.optional(),
  agent: name.optional(),
  startedAt: moment.optional(),
  lookAt: moment.optional(),
  hardDeadline: moment.optional(),
  endedAt: moment.optional(),
  tries: z.partialRecord(z.enum(TRY_CLASSES), count).optional(),
  failedOn: z.partialRecord(z.enum(TRY_CLASSES), z.array(name).max(STAGES_MAX)).optional(),
  outputs: z.record(z.string(), BlobRef).optional(),
});

const JobDocument = z.object({
  id: name,
  org: name,
  status: z.enum(JOB_STATUSES),
  options: z.object({
    operations: z.object({}),
    output: z.object({}),
    retention_hours: z.number().min(0),
  }),
  input: z.object({ key: z.string().min(1).max(512), contentType: z.string(), bytes: count }),
  intake: z.object({
    status: z.enum(["waiting", "ready", "running", "done", "failed"]),
    epoch: count,
    tries: count,
    lost: count.optional(),
    away: count.optional(),
    until: moment.optional(),
    askAt: moment.optional(),
    asks: count.optional(),
    image: BlobRef.optional(),
    alpha: BlobRef.optional(),
  }),
  stages: z
    .array(StageDocument)
    .min(1)
    .max(STAGES_MAX)
    .refine((all) => all.every((each) => isWhole(each as Stage)), "a stage lacks what its status promises")
    .refine((all) => new Set(all.map(({ kind }) => kind)).size === all.length, "a stage is there twice"),
  createdAt: moment,
  uploadBy: moment,
  startBy: moment.optional(),
  finishBy: moment,
  extended: z.literal(true).optional(),
  queuedAt: moment.optional(),
  startedAt: moment.optional(),
  endedAt: moment.optional(),
  expiresAt: moment.optional(),
  discarded: z.literal(true).optional(),
  discardAgainAt: moment.optional(),
  erasure: z.object({ at: moment }).optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});

/** Bodies found sound. Nobody changes what was read (decide moves a copy), so one reading of an object is enough. */
const sound = new WeakSet<object>();

/**
 * The stored body as a job, untouched.
 * @throws Fault conflict `job_damaged`, whose details name the fields that are wrong. Not to be retried: the sweeper puts
 * such an item off and logs an error at every look, until somebody mends it.
 */
export function readJob(body: unknown): Job {
  if (typeof body === "object" && body !== null && sound.has(body)) return body as Job;
  const parsed = JobDocument.safeParse(body);
  if (parsed.success) {
    sound.add(body as object);
    return body as Job;
  }
  throw new Fault(
    "conflict",
    "job_damaged",
    "The record of this restoration is damaged and is being looked at; please send the photograph again.",
    {
      details: parsed.error.issues
        .slice(0, 5)
        .map(({ path, message }) => `${path.map(String).join(".") || "document"}: ${message}`),
    },
  );
}
