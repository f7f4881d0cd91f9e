import { invariant } from "#shared/domain/fault.ts";
import type { Lease, Progress } from "#shared/domain/message.ts";
import type { Log } from "#shared/log.ts";
import type { Blobs, Entropy } from "#shared/ports.ts";
import type { StageEntry } from "../stages/table.ts";
import { failureOf } from "./failure.ts";
import type { MeteredModels } from "./models.ts";
import type { RunOutcome, StageDone } from "./protocol.ts";
import { openRunFiles } from "./run-files.ts";

export interface RunDoors {
  readonly blobs: Blobs;
  /** A folder of this worker alone; emptied by every run. */
  readonly scratch: string;
  readonly stages: Readonly<Partial<Record<Lease["stage"], StageEntry>>>;
  /** The models, with the time spent in them counted from 0. */
  readonly meterModels: () => MeteredModels;
  readonly entropy: Entropy;
  /** Monotonic, milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

const WARNINGS_MAX = 10;
const WARNING_CHARS_MAX = 300;

/** Runs one stage from its blobs to its blobs. Never rejects: how it went is data. */
export async function runStage(
  doors: RunDoors,
  ask: { lease: Lease; report: (progress: Progress) => void },
  signal: AbortSignal,
): Promise<Exclude<RunOutcome, { type: "died" }>> {
  const { lease } = ask;
  try {
    return { type: "done", result: await run(doors, ask, signal) };
  } catch (error) {
    if (signal.aborted) return { type: "aborted" };
    const result = failureOf(error);
    const at = { job: lease.job, stage: lease.stage, epoch: lease.epoch, failure: result.failure };
    doors.log[result.failure === "bug" ? "error" : "warn"]("stage-failed", { ...at, error });
    return { type: "failed", result };
  }
}

async function run(
  doors: RunDoors,
  ask: { lease: Lease; report: (progress: Progress) => void },
  signal: AbortSignal,
): Promise<StageDone> {
  const { lease, report } = ask;
  const startedAt = doors.now();
  const stage = doors.stages[lease.stage];
  invariant(stage !== undefined, `an agent is given only stages it offered, not ${lease.stage}`);
  const models = doors.meterModels();
  const nonce = Buffer.from(doors.entropy(8)).toString("hex");
  await using files = await openRunFiles({ blobs: doors.blobs, scratch: doors.scratch, lease, nonce });
  const { outputs, analysis, model, warnings } = await stage.run({ lease, files, models, report }, signal);
  const seconds = (ms: number): number => Math.round(ms) / 1000;
  return {
    outputs,
    warnings: warnings.slice(0, WARNINGS_MAX).map((warning) => warning.slice(0, WARNING_CHARS_MAX)),
    timings: {
      seconds: seconds(doors.now() - startedAt),
      modelSeconds: seconds(models.spent.runMs),
      loadSeconds: seconds(models.spent.loadMs),
    },
    ...(analysis === undefined ? {} : { analysis }),
    ...(model === undefined ? {} : { model }),
  };
}
