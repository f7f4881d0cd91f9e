/** How often a load may fail within FAILED_LOADS_MS before the model is left alone (as ModelMesh does). */
const FAILED_LOADS_MAX = 3;
const FAILED_LOADS_MS = 15 * 60_000;

/** The loads of one model that failed of late. Times in milliseconds, of one clock. */
export interface FailedLoads {
  note(error: unknown, nowMs: number): void;
  forget(): void;
  /** Whether it is not to be tried for now; time alone lifts this. */
  isBarred(nowMs: number): boolean;
  /** Why the last one failed. */
  lastError(): unknown;
}

export function createFailedLoads(): FailedLoads {
  let times: readonly number[] = [];
  let last: unknown;
  const recent = (nowMs: number): readonly number[] => times.filter((at) => nowMs - at < FAILED_LOADS_MS);
  return {
    note(error, nowMs) {
      times = [...recent(nowMs), nowMs];
      last = error;
    },
    forget() {
      times = [];
    },
    isBarred: (nowMs) => recent(nowMs).length >= FAILED_LOADS_MAX,
    lastError: () => last,
  };
}
