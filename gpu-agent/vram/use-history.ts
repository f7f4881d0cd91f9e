/**
 * What was used so far, counted in uses rather than in seconds; the pool writes it down, policies read it. Arrays are
 * indexed like `PoolState.models`.
 */
export interface UseHistory {
  /** Uses of all models together. */
  steps: number;
  /** The step of the last use; 0 for never. */
  readonly lastUse: Float64Array;
  readonly uses: Float64Array;
  /** Steps from one use to the next, smoothed. */
  readonly gap: Float64Array;
  /** GreedyDual-Size-Frequency: `inflation` + uses × reload cost / size, as of the last use. */
  readonly priority: Float64Array;
  /** The priority of the last victim: the age of the cache. */
  inflation: number;
}

/** Weight of the newest gap. */
const GAP_WEIGHT = 0.3;

export function createUseHistory(modelCount: number): UseHistory {
  return {
    steps: 0,
    lastUse: new Float64Array(modelCount),
    uses: new Float64Array(modelCount),
    gap: new Float64Array(modelCount),
    priority: new Float64Array(modelCount),
    inflation: 0,
  };
}

/** To be called whenever a stage starts on a model. */
export function noteUse(
  history: UseHistory,
  model: number,
  { bytes, reloadMs }: { readonly bytes: number; readonly reloadMs: number },
): void {
  const { lastUse, uses, gap, priority } = history;
  history.steps += 1;
  const newest = history.steps - lastUse[model]!;
  gap[model] = uses[model] === 0 ? newest : (1 - GAP_WEIGHT) * gap[model]! + GAP_WEIGHT * newest;
  lastUse[model] = history.steps;
  uses[model]! += 1;
  priority[model] = history.inflation + (uses[model]! * reloadMs) / bytes;
}

/** To be called whenever a model is evicted. */
export function noteEviction(history: UseHistory, model: number): void {
  history.inflation = Math.max(history.inflation, history.priority[model]!);
}
