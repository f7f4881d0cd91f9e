import type { JobAhead, Lease, Progress } from "#shared/domain/message.ts";
import type { RunOutcome, StageDone, Worker, WorkerAbility } from "#agent/worker/protocol.ts";

/** One run as the test steers it. */
interface FakeRun {
  readonly lease: Lease;
  readonly signal: AbortSignal;
  progress(progress: Progress): void;
  end(outcome: RunOutcome): void;
}

export interface FakeWorker extends Worker {
  readonly runs: FakeRun[];
  kills: number;
  /** What the control plane said of the jobs that wait. */
  readonly foreseen: (readonly JobAhead[])[];
  /** Whether it stops by itself when asked; true by default. */
  obeys: boolean;
  /** It is ready when this resolves. */
  warm: Promise<void>;
}

export const ability: WorkerAbility = {
  device: "cpu",
  stages: ["analyze", "upscale", "finish"],
  models: ["realesr-general-x4v3"],
  files: [{ model: "realesr-general-x4v3", sha256: "a".repeat(64), bytes: 4_861_679 }],
};

export const doneNothing: StageDone = {
  outputs: {},
  timings: { seconds: 1, modelSeconds: 0.5, loadSeconds: 0 },
  warnings: [],
};

/** A worker whose runs end when the test says so. */
export function createFakeWorker(): FakeWorker {
  const worker: FakeWorker = {
    runs: [],
    kills: 0,
    foreseen: [],
    obeys: true,
    warm: Promise.resolve(),
    ready: async (signal) => {
      signal.throwIfAborted();
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(signal.reason));
      await Promise.race([worker.warm, promise]);
      return ability;
    },
    run(lease, onProgress, signal) {
      const { promise, resolve } = Promise.withResolvers<RunOutcome>();
      const stop = (): void => {
        if (worker.obeys) resolve({ type: "aborted" });
      };
      worker.runs.push({ lease, signal, progress: onProgress, end: resolve });
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop);
      return promise;
    },
    kill() {
      worker.kills += 1;
      worker.runs.at(-1)?.end({ type: "died", how: "signal SIGKILL" });
    },
    hot: () => ["realesr-general-x4v3"],
    foresee: (jobs) => worker.foreseen.push(jobs),
  };
  return worker;
}
