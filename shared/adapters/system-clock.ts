import { setTimeout } from "node:timers/promises";
import type { Clock } from "../ports.ts";

/** A timer of Node holds 31 bits; a longer sleep is several. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    let restMs = Math.max(0, ms);
    do {
      try {
        await setTimeout(Math.min(restMs, TIMER_MS_MAX), undefined, signal === undefined ? {} : { signal });
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
      restMs -= TIMER_MS_MAX;
    } while (restMs > 0);
  },
};
