/**
 * What the supervisor and its worker say to each other over IPC. Pixels never travel here: paths and keys do. `run`
 * numbers the runs of one worker process, so that a late word of an earlier run is recognised.
 */
import { z } from "zod";
import { Capabilities, CompleteAsk, FailAsk, Lease, Progress } from "#shared/domain/message.ts";

const run = z.int().positive();

export const WorkerCommand = z.discriminatedUnion("type", [
  z.object({ type: z.literal("run"), run, lease: Lease }),
  /** Obeyed between tiles. */
  z.object({ type: z.literal("abort"), run }),
]);
export type WorkerCommand = z.infer<typeof WorkerCommand>;

/** What the worker can run, found out by trying. */
export const WorkerAbility = Capabilities.pick({ device: true, stages: true, models: true });
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

export const WorkerEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready"), ability: WorkerAbility }),
  /** The models whose sessions are loaded, after every change. */
  z.object({ type: z.literal("hot"), models: z.array(z.string().max(80)).max(64) }),
  z.object({ type: z.literal("progress"), run, progress: Progress }),
  z.object({ type: z.literal("done"), run, result: StageDone }),
  z.object({ type: z.literal("failed"), run, result: StageFailed }),
  z.object({ type: z.literal("aborted"), run }),
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
}
