import type { Clock } from "../ports.ts";

/** Wakes whoever sleeps in this process when something has changed. */
export interface Bell {
  /** How often it rang: read it before looking, compare it before sleeping, and no ring is missed. */
  readonly rings: () => number;
  ring(): void;
  /** Sleeps for `ms` or until the bell rings; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export function createBell(clock: Clock): Bell {
  const sleepers = new Set<() => void>();
  let rings = 0;

  return {
    rings: () => rings,
    ring() {
      rings += 1;
      for (const wake of sleepers) wake();
    },
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      const woken = new AbortController();
      const wake = () => woken.abort();
      sleepers.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
      try {
        await clock.sleep(ms, woken.signal);
      } catch (error) {
        if (!woken.signal.aborted) throw error;
      } finally {
        sleepers.delete(wake);
        signal?.removeEventListener("abort", wake);
      }
      signal?.throwIfAborted();
    },
  };
}
