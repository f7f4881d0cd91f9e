/** How long claims take while all is well, and in the first minutes after the store was away. */
export interface ClaimTimes {
  /** @param troubleAt when the store last refused somebody. */
  note(ms: number, troubleAt: number): void;
  figures(): { readonly claimMsSteady: number; readonly claimMsAfter: number };
}

const AFTER_MS = 600_000;

export function createClaimTimes(now: () => number): ClaimTimes {
  const steady: number[] = [];
  const after: number[] = [];
  return {
    note(ms, troubleAt) {
      // Asked while the store was away: refused.
      if (now() - ms < troubleAt) return;
      (now() - troubleAt <= AFTER_MS ? after : steady).push(ms);
    },
    figures: () => ({ claimMsSteady: p99(steady), claimMsAfter: p99(after) }),
  };
}

function p99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
}
