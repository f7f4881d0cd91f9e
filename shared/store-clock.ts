import type { Clock } from "./ports.ts";

/** A clock that follows another's word when the two differ too much. */
export interface StoreClock extends Clock {
  /**
   * The store said what time it was, as whole seconds in milliseconds (the `Date` of its reply).
   * @param askedAt this clock's time when the call was sent.
   */
  readonly observe: (storeMs: number, askedAt: number) => void;
}

/** Differences up to this are the reply's way and the second that its `Date` is cut to. */
const SKEW_MS_MAX = 2_000;
/** A reply that was longer under way says too little about now. */
const REPLY_MS_MAX = 1_000;
/** The middle of the second that a `Date` is cut to. */
const HALF_SECOND_MS = 500;

/**
 * The time is the store's: leases and deadlines are written by one instance and judged by another, so a wrong clock
 * would take work from agents that are well. Corrects `clock` once it is more than two seconds off.
 */
export function createStoreClock(clock: Clock): StoreClock {
  let offsetMs = 0;
  const now = (): number => clock.now() + offsetMs;
  return {
    now,
    sleep: (ms, signal) => clock.sleep(ms, signal),
    observe(storeMs, askedAt) {
      const tookMs = now() - askedAt;
      // Below 0: another reply has set the clock back meanwhile.
      if (!Number.isFinite(storeMs) || tookMs < 0 || tookMs > REPLY_MS_MAX) return;
      const aheadMs = now() - (storeMs + HALF_SECOND_MS);
      if (Math.abs(aheadMs) > SKEW_MS_MAX) offsetMs -= aheadMs;
    },
  };
}
