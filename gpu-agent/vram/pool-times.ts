/** How long the device may take over each thing before it counts as hung; milliseconds. */
export interface PoolTimes {
  readonly openMs: number;
  readonly warmMs: number;
  readonly runMs: number;
  /** From the request of a release until the memory is back. */
  readonly drainMs: number;
  readonly recycleMs: number;
  /** For what is aborted to end. */
  readonly graceMs: number;
  /** Between two looks at the device's memory. */
  readonly pollMs: number;
}

export const POOL_TIMES: PoolTimes = {
  openMs: 120_000,
  warmMs: 300_000,
  runMs: 600_000,
  drainMs: 10_000,
  recycleMs: 60_000,
  graceMs: 10_000,
  pollMs: 50,
};
