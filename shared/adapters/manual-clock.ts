import { setImmediate } from "node:timers/promises";
import type { Clock } from "../ports.ts";
import { invariant } from "../domain/fault.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock that stands still until it is told to move. */
export interface ManualClock extends Clock {
  /**
   * Moves time by `ms` and wakes, one after another, everyone whose time comes on the way: earliest first, and in the
   * order they fell asleep where times are equal. Between two of them all pending work that needs no I/O runs dry, so
   * whoever goes back to sleep inside the span is woken in the same call.
   */
  advance(ms: number): Promise<void>;
  /** When the next sleeper is due; absent when nobody sleeps. */
  nextAt(): number | undefined;
}

/** @param startMs the first reading, milliseconds since the epoch. */
export function createManualClock(startMs = 1_750_000_000_000): ManualClock {
  /** Ordered by time, then by arrival. */
  const sleepers: Sleeper[] = [];
  let now = startMs;
  let advancing = false;

  function enqueue(sleeper: Sleeper): void {
    const later = sleepers.findIndex((other) => other.at > sleeper.at);
    sleepers.splice(later === -1 ? sleepers.length : later, 0, sleeper);
  }

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      if (ms <= 0) return resolve();
      const abort = () => {
        sleepers.splice(sleepers.indexOf(sleeper), 1);
        reject(signal?.reason as Error);
      };
      const sleeper: Sleeper = {
        at: now + ms,
        wake: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      enqueue(sleeper);
    });
  }

  async function advance(ms: number): Promise<void> {
    invariant(ms >= 0 && !advancing, "a manual clock moves forward, one caller at a time");
    advancing = true;
    const target = now + ms;
    await setImmediate();
    for (let next = sleepers[0]; next !== undefined && next.at <= target; next = sleepers[0]) {
      sleepers.shift();
      now = next.at;
      next.wake();
      await setImmediate();
    }
    now = target;
    advancing = false;
  }

  return { now: () => now, sleep, advance, nextAt: () => sleepers[0]?.at };
}
