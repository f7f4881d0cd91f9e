import type { SimulationResult } from "./simulation-result.ts";

/** Seconds the executor waits for a load while a stage is ready, per job. */
export function stallSecondsPerJob({ stalls, jobs }: SimulationResult): number {
  return stalls.reduce((sum, { from, to }) => sum + to - from, 0) / jobs;
}

/** Seconds of loading per job, waited for or hidden. */
export function loadSecondsPerJob({ loads, jobs }: SimulationResult): number {
  return loads.reduce((sum, { seconds }) => sum + seconds, 0) / jobs;
}

/** Uses that needed no load, as a share of all. A load ahead of its need counts as a miss like any other. */
export function hitRatio({ loads, order }: SimulationResult): number {
  return 1 - loads.length / order.length;
}

/** Load seconds as a multiple of what is unavoidable for the same order of uses: 1 is perfect. */
export function optRatio(loadSeconds: number, optimumSeconds: number): number {
  return loadSeconds / optimumSeconds;
}

/** How much of what LRU loads beyond the unavoidable is still loaded: 0 is perfect, 1 is as bad as LRU. */
export function cacheRegretRatio(
  loadSeconds: number,
  { optimumSeconds, lruSeconds }: { readonly optimumSeconds: number; readonly lruSeconds: number },
): number {
  return (loadSeconds - optimumSeconds) / (lruSeconds - optimumSeconds);
}

/** The value below which this part of an ascending list lies. */
export function quantileOf(ascending: readonly number[], part: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(part * ascending.length))] ?? 0;
}
