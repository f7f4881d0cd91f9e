import { RATE_LINES_MAX, RATE_RINGS_MS } from "#shared/domain/limits.ts";
import type { Log } from "#shared/log.ts";
import type { Clock } from "#shared/ports.ts";

export interface RaterLine {
  /** Has the month rated now, or a second after its last rating. Never throws. */
  readonly ring: (org: string, month: string) => void;
  /** Waits for the ratings under way; rings from now on are left to the rows' timers. */
  readonly close: () => Promise<void>;
}

/** Rings for the same month within a second are one; different months do not wait for each other. */
export function createRaterLine(doors: {
  readonly clock: Clock;
  readonly log: Log;
  readonly rate: (org: string, month: string) => Promise<unknown>;
}): RaterLine {
  const { clock, log, rate } = doors;
  const stop = new AbortController();
  /** By month: whether it was rung for again. */
  const lines = new Map<string, { again: boolean; done: Promise<void> }>();

  async function run(name: string, org: string, month: string): Promise<void> {
    do {
      const line = lines.get(name);
      if (line !== undefined) line.again = false;
      await rate(org, month).catch((error: unknown) => log.warn("rating_failed", { org, month, error }));
      await clock.sleep(RATE_RINGS_MS, stop.signal).catch(() => undefined);
    } while (lines.get(name)?.again === true && !stop.signal.aborted);
    lines.delete(name);
  }

  return {
    ring(org, month) {
      const name = `${org}#${month}`;
      const line = lines.get(name);
      if (line !== undefined) line.again = true;
      else if (lines.size < RATE_LINES_MAX && !stop.signal.aborted) {
        const started = { again: false, done: Promise.resolve() };
        lines.set(name, started);
        started.done = run(name, org, month);
      }
    },
    async close() {
      stop.abort();
      await Promise.all([...lines.values()].map((line) => line.done));
    },
  };
}
