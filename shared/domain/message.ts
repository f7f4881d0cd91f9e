/**
 * What the control plane and the agents say to each other. Both sides validate with these schemas; nothing else is
 * shared between them but the domain.
 */
import { z } from "zod";
import { Analysis, IntakeMeasures } from "./analysis.ts";
import { BlobRef } from "./blob.ts";
import { UNREADABLE_CHARS_MAX } from "./limits.ts";
import { Options } from "./options.ts";
import { FAILURES, STAGE_KINDS } from "./stage.ts";

/** Version of this protocol; an agent of another major version is refused at registration. */
export const PROTOCOL_VERSION = 1;

const id = z.string().min(5).max(64);
const blobKey = z.string().min(1).max(512);
const seconds = z.number().min(0).max(1e6);
const modelName = z.string().max(80);
const StageName = z.enum(STAGE_KINDS);
const epoch = z.int().min(1).max(1_000_000);

/** More than any stage uses: `denoise` makes two passes. */
export const STAGE_MODELS_MAX = 8;
const JOBS_AHEAD_MAX = 16;

/** What an agent can run. */
export const Capabilities = z.object({
  protocol: z.literal(PROTOCOL_VERSION),
  device: z.string().min(1).max(40),
  slots: z.int().min(1).max(16),
  stages: z.array(StageName).max(STAGE_KINDS.length),
  /** Ids of the catalogue whose files are here and verified. */
  models: z.array(modelName).max(200),
});
export type Capabilities = z.infer<typeof Capabilities>;

export const RegisterAnswer = z.object({ agent: id, token: z.string(), beatMs: z.int().positive() });
export type RegisterAnswer = z.infer<typeof RegisterAnswer>;

/** How far a running stage is; for eyes only, nothing is decided by it. */
export const Progress = z.object({
  /** 0..1. */
  fraction: z.number().min(0).max(1),
  tilesDone: z.int().min(0),
  tilesTotal: z.int().min(0),
  model: modelName.optional(),
  doing: z.enum(["fetching", "loading", "running", "writing"]),
});
export type Progress = z.infer<typeof Progress>;

export const Run = z.object({ job: id, stage: StageName, epoch, progress: Progress.optional() });
export type Run = z.infer<typeof Run>;

/** The models a stage will use, in the order of their use; empty where only its run will tell. */
const stageModels = z.array(modelName).max(STAGE_MODELS_MAX);

/** A stage that is still to come. */
export const StageAhead = z.object({ stage: StageName, models: stageModels });
export type StageAhead = z.infer<typeof StageAhead>;

/** A job that waits for an agent, and what is known of its coming stages, in their order. */
export const JobAhead = z.object({ job: id, stages: z.array(StageAhead).max(STAGE_KINDS.length) });
export type JobAhead = z.infer<typeof JobAhead>;

/** A beat says what the supervisor runs: a lease is held only while its agent names it. */
export const BeatAsk = z.object({
  seq: z.int().positive(),
  runs: z.array(Run).max(16),
  hot: z.array(modelName).max(64),
  /** Whether to answer what waits. Costs the control plane reads, so it is not asked with every beat. */
  ahead: z.boolean().default(false),
});
export type BeatAsk = z.infer<typeof BeatAsk>;
export const BeatAnswer = z.object({
  /** Runs that are no longer this agent's (canceled, taken over): drop them. */
  drop: z.array(Run.pick({ job: true, stage: true, epoch: true })),
  /**
   * Ready jobs that wait, oldest first; none of them is this agent's. Advice for its pool and no promise: another agent
   * may take them. Advice that cannot be read (a stage this version does not know) counts as none: no lease hangs on it.
   */
  ahead: z.array(JobAhead).max(JOBS_AHEAD_MAX).default([]).catch([]),
});
export type BeatAnswer = z.infer<typeof BeatAnswer>;

/** One stage handed to one agent. */
export const Lease = z.object({
  job: id,
  stage: StageName,
  epoch,
  claimId: id,
  /** By the control plane's clock; an agent counts `msLeft` by its own, from when it was told. */
  hardDeadline: z.number(),
  msLeft: z.number().min(0).optional(),
  /** Every output key starts with it. */
  outputPrefix: blobKey,
  options: Options,
  measures: IntakeMeasures,
  analysis: Analysis.optional(),
  model: modelName.optional(),
  /** The models this stage will use, and the stages of its job that come after it. Advice, as in `BeatAnswer`. */
  models: stageModels.default([]).catch([]),
  ahead: z.array(StageAhead).max(STAGE_KINDS.length).default([]).catch([]),
  /** What the plan chose; may be below what was asked (see the plan's reason). */
  scale: z.int().min(1).max(4),
  image: BlobRef,
  /** The upload as normalised: what "before" looks like. */
  original: BlobRef,
  alpha: BlobRef.optional(),
});
export type Lease = z.infer<typeof Lease>;

/** A message that names a job which may have work. */
export const Doorbell = z.object({ job: id });
export type Doorbell = z.infer<typeof Doorbell>;

/** @returns undefined for a message that is no doorbell. */
export function readDoorbell(body: string): Doorbell | undefined {
  try {
    return Doorbell.parse(JSON.parse(body));
  } catch {
    return undefined;
  }
}

/** `job` absent: any ready work, for an agent that has heard no doorbell for a while. `idle`: it runs nothing at all. */
export const ClaimAsk = z.object({ job: id.optional(), claimId: id, idle: z.boolean().optional() });
export type ClaimAsk = z.infer<typeof ClaimAsk>;
/**
 * wait: somebody holds it, or it is too early: leave the doorbell alone. gone: nothing to do: delete the doorbell.
 * found, where no job was named: this one has a stage for the agent, to be claimed by its id.
 */
export const ClaimAnswer = z.discriminatedUnion("verdict", [
  z.object({ verdict: z.literal("granted"), lease: Lease }),
  z.object({ verdict: z.literal("wait") }),
  z.object({ verdict: z.literal("gone") }),
  z.object({ verdict: z.literal("found"), job: id }),
]);
export type ClaimAnswer = z.infer<typeof ClaimAnswer>;

const Held = z.object({ job: id, stage: StageName, epoch });

export const CompleteAsk = Held.extend({
  outputs: z.record(z.string().regex(/^[a-z]{1,20}$/), BlobRef),
  analysis: Analysis.optional(),
  model: modelName.optional(),
  timings: z.object({ seconds, modelSeconds: seconds, loadSeconds: seconds }),
  warnings: z.array(z.string().max(300)).max(10),
  /** Claims the next stage in the same step, so that pixels and hot models stay where they are. */
  nextClaimId: id.optional(),
});
export type CompleteAsk = z.infer<typeof CompleteAsk>;
export const CompleteAnswer = z.discriminatedUnion("verdict", [
  z.object({ verdict: z.literal("accepted"), next: Lease.optional() }),
  z.object({ verdict: z.literal("stale") }),
]);
export type CompleteAnswer = z.infer<typeof CompleteAnswer>;

/** A message of the doorbells' queue that is no doorbell: kept for an operator, then acknowledged. */
export const UnreadableAsk = z.object({
  id: z.string().min(1).max(200),
  body: z.string().max(UNREADABLE_CHARS_MAX),
  reason: z.string().max(300),
});
export type UnreadableAsk = z.infer<typeof UnreadableAsk>;

export const FailAsk = Held.extend({ failure: z.enum(FAILURES), message: z.string().max(500) });
export type FailAsk = z.infer<typeof FailAsk>;
export const ReleaseAsk = Held;
export type ReleaseAsk = z.infer<typeof ReleaseAsk>;
export const Verdict = z.object({ verdict: z.enum(["accepted", "stale"]) });
export type Verdict = z.infer<typeof Verdict>;
