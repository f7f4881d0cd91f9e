import { quantile } from "../measures/durations.ts";

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
    figures: () => ({ claimMsSteady: quantile(steady, 0.99), claimMsAfter: quantile(after, 0.99) }),
  };
}
