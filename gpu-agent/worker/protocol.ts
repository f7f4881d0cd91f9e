/**
 * What the supervisor and its worker say to each other over IPC. Pixels never travel here: paths and keys do. `run`,
 * `call` and `use` are numbers of one worker process, so that a late word about an earlier one is recognised.
 *
 *   supervisor                                  worker
 *   run, abort ─────────────────────────────►   runs a stage, one at a time
 *              ◄──────────── progress, done, failed, aborted
 *   open, release, warm ────────────────────►   does with a model what the pool has decided
 *              ◄──────────────────── answered, refused
 *              ◄──────── take, exhausted, returned   a stage wants a model, lacks memory for it, has done with it
 *   granted, denied ────────────────────────►
 */
import { z } from "zod";
import { Fault } from "#shared/domain/fault.ts";
import {
  Capabilities,
  CompleteAsk,
  FailAsk,
  Lease,
  Progress,
  type JobAhead,
} from "#shared/domain/message.ts";
import { Sha256 } from "#shared/domain/model.ts";

const run = z.int().positive();
const call = z.int().positive();
const use = z.int().positive();
const model = z.string().max(80);
const bytes = z.int().nonnegative();
const tilePixels = z.int().positive();

/** A Fault on its way between processes. */
const FaultWire = z.object({
  kind: z.enum(["input", "auth", "missing", "conflict", "busy"]),
  code: z.string().max(80),
  message: z.string().max(1_000),
});
type FaultWire = z.infer<typeof FaultWire>;

/** The right to run a model, on tiles of at most so many pixels. */
export const Grant = z.object({
  use,
  tilePixels,
  /** On the processor, in a session of its own, because the device lacks the memory. */
  isOnProcessor: z.boolean(),
});
export type Grant = z.infer<typeof Grant>;

export const WorkerCommand = z.discriminatedUnion("type", [
  z.object({ type: z.literal("run"), run, lease: Lease }),
  /** Obeyed between tiles. */
  z.object({ type: z.literal("abort"), run }),
  /** `warm`: reads the model's files into memory, and says which they are. */
  z.object({ type: z.literal("open"), call, model }),
  z.object({ type: z.literal("release"), call, model }),
  z.object({ type: z.literal("warm"), call, model }),
  Grant.extend({ type: z.literal("granted") }),
  z.object({ type: z.literal("denied"), use, fault: FaultWire }),
]);
export type WorkerCommand = z.infer<typeof WorkerCommand>;
/** What a worker is asked to do with a model. */
export type ModelCommand = Pick<
  Extract<WorkerCommand, { type: "open" | "release" | "warm" }>,
  "type" | "model"
>;

/** What the worker can run, found out by trying. */
export const WorkerAbility = Capabilities.pick({ device: true, stages: true, models: true }).extend({
  /** The models that are files, and so are opened and take memory. */
  files: z.array(z.object({ model, sha256: Sha256, bytes })).max(200),
});
export type WorkerAbility = z.infer<typeof WorkerAbility>;

/** A finished stage, ready to be reported: every output is stored. */
export const StageDone = CompleteAsk.pick({
  outputs: true,
  analysis: true,
  model: true,
  timings: true,
  warnings: true,
});
export type StageDone = z.infer<typeof StageDone>;

export const StageFailed = FailAsk.pick({ failure: true, message: true });
export type StageFailed = z.infer<typeof StageFailed>;

/** What became of a model command. */
export const ModelAnswer = z.object({
  /** Of `open`: what it took, where that could be measured. */
  bytes: bytes.optional(),
  /** Of `open` and `warm`: what is read when it is loaded. */
  files: z.array(z.string().max(4_096)).max(4).optional(),
});
export type ModelAnswer = z.infer<typeof ModelAnswer>;

/** What a stage has done with a model, or wants of one. */
export const UseEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("take"), use, model }),
  z.object({ type: z.literal("exhausted"), use, tilePixels }),
  /** It is given back, or wanted no more. `peaks`: memory of runs beside the session, where it could be measured. */
  z.object({
    type: z.literal("returned"),
    use,
    peaks: z.array(z.object({ tilePixels, bytes })).max(64),
  }),
]);
export type UseEvent = z.infer<typeof UseEvent>;

export const WorkerEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready"), ability: WorkerAbility }),
  z.object({ type: z.literal("progress"), run, progress: Progress }),
  z.object({ type: z.literal("done"), run, result: StageDone }),
  z.object({ type: z.literal("failed"), run, result: StageFailed }),
  z.object({ type: z.literal("aborted"), run }),
  ModelAnswer.extend({ type: z.literal("answered"), call }),
  z.object({ type: z.literal("refused"), call, fault: FaultWire }),
  ...UseEvent.options,
]);
export type WorkerEvent = z.infer<typeof WorkerEvent>;

/** How a run ended, as the supervisor sees it. The death of a worker is an event like the others, never an exception. */
export type RunOutcome =
  | { readonly type: "done"; readonly result: StageDone }
  | { readonly type: "failed"; readonly result: StageFailed }
  | { readonly type: "aborted" }
  /** `how`: one clause for the log and the report: "exit code 1", "signal SIGSEGV". */
  | { readonly type: "died"; readonly how: string };

/** A killable process that runs one stage at a time, as its supervisor sees it. */
export interface Worker {
  /** Resolves when a process is warm and idle; one that died is replaced meanwhile. Rejects only when aborted. */
  ready(signal: AbortSignal): Promise<WorkerAbility>;
  /** Runs a stage in the process that is ready. Never rejects. Aborting asks the worker to stop between tiles. */
  run(lease: Lease, onProgress: (progress: Progress) => void, signal: AbortSignal): Promise<RunOutcome>;
  /** Ends the process at once (SIGKILL); the run in it ends as `died`. */
  kill(): void;
  /** Models whose sessions are loaded. */
  hot(): readonly string[];
  /** Jobs that wait for any agent, as far as they are known: their models may be brought nearer. */
  foresee(jobs: readonly JobAhead[]): void;
}

const MESSAGE_CHARS_MAX = 1_000;

/** Only a Fault's own sentence travels; anything else is a bug of the side that meets it. */
export function wireOf(error: unknown): FaultWire {
  if (!(error instanceof Fault)) {
    return {
      kind: "conflict",
      code: "worker_confused",
      message: "The worker met something it did not expect.",
    };
  }
  const { kind, code, message } = error;
  return { kind, code, message: message.slice(0, MESSAGE_CHARS_MAX) };
}

export function faultOf({ kind, code, message }: FaultWire): Fault {
  return new Fault(kind, code, message);
}
