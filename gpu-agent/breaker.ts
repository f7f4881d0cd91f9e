import type { Failure } from "#shared/domain/stage.ts";

/** Worker deaths on so many different jobs within DEATHS_MS: not the photographs, this node is to blame. */
const DEATHS_MAX = 3;
const DEATHS_MS = 5 * 60_000;
/** What the device itself reports (Xid, ECC) is taken seriously sooner. */
const DEVICE_FAULTS_MAX = 2;
const DEVICE_FAULTS_MS = 10 * 60_000;

/** Stages of so many different jobs failed in a row, for reasons that lie in no photograph. */
const IN_A_ROW_MAX = 3;

/** Trips when a node ruins whatever it touches: it must take no more work, and be replaced. */
export interface Breaker {
  note(ended: { readonly job: string; readonly failure: Failure }, nowMs: number): void;
  /** A stage was done: whatever failed before is not wrong with all of them. */
  worked(): void;
  /** One clause, once it has tripped. */
  tripped(): string | undefined;
}

export function createBreaker(): Breaker {
  /** When a worker last died on each job. */
  const deaths = new Map<string, number>();
  const inARow = new Set<string>();
  let deviceFaults: readonly number[] = [];
  let why: string | undefined;
  return {
    note({ job, failure }, nowMs) {
      if (failure === "worker_crashed" || failure === "gpu_hang") deaths.set(job, nowMs);
      for (const [of, at] of deaths) if (nowMs - at >= DEATHS_MS) deaths.delete(of);
      if (failure === "gpu_fault") deviceFaults = [...deviceFaults, nowMs];
      deviceFaults = deviceFaults.filter((at) => nowMs - at < DEVICE_FAULTS_MS);
      if (failure === "bug" || failure === "model_invalid" || failure === "model_missing") inARow.add(job);
      if (deaths.size >= DEATHS_MAX)
        why ??= `workers died on ${deaths.size} different jobs within five minutes`;
      if (deviceFaults.length >= DEVICE_FAULTS_MAX)
        why ??= `the device failed ${deviceFaults.length} times within ten minutes`;
      if (inARow.size >= IN_A_ROW_MAX) why ??= `stages of ${inARow.size} jobs failed one after the other`;
    },
    worked: () => inARow.clear(),
    tripped: () => why,
  };
}
