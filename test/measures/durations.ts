/** How long things took, for tables and figures. */

/** The smallest value that a share of all does not exceed (nearest rank); 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const ascending = values.toSorted((a, b) => a - b);
  return ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)] ?? 0;
}

/** The median, 99 of 100, and the longest, in the unit given, to a hundredth. */
export function spreadOf(values: readonly number[]): {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
} {
  const at = (share: number): number => Math.round(100 * quantile(values, share)) / 100;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
