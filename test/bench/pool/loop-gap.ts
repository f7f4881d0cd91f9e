import { monitorEventLoopDelay } from "node:perf_hooks";

/** How long this process was deaf. */
export interface LoopGap {
  /** The longest that its event loop took no turn, milliseconds. */
  readonly worstMs: number;
  readonly p99Ms: number;
}

const RESOLUTION_MS = 1;

/**
 * Watches the event loop of this process while something is done: a timer of 1 ms whose lateness counts (`perf_hooks`,
 * `monitorEventLoopDelay`).
 */
export async function withLoopGap<T>(work: () => Promise<T>): Promise<{ result: T; gap: LoopGap }> {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const result = await work();
  delay.disable();
  return { result, gap: { worstMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6 } };
}
