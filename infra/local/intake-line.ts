/** Runs intakes in this process, a few at a time, each job at most once at a time. */
export interface IntakeLine {
  readonly start: (jobId: string) => void;
  /** Stops taking new ones and waits for those under way to notice the abort. */
  readonly close: () => Promise<void>;
}

/** Beyond it a start is dropped: the job's own timer brings it back. */
const WAITING_MAX = 10_000;

export function createIntakeLine(ask: {
  atOnce: number;
  run: (jobId: string, signal: AbortSignal) => Promise<void>;
}): IntakeLine {
  const stop = new AbortController();
  const waiting = new Set<string>();
  const running = new Map<string, Promise<void>>();

  function next(): void {
    for (const jobId of waiting) {
      if (running.size >= ask.atOnce || stop.signal.aborted) return;
      if (running.has(jobId)) continue;
      waiting.delete(jobId);
      const done = ask.run(jobId, stop.signal).finally(() => {
        running.delete(jobId);
        next();
      });
      running.set(jobId, done);
    }
  }

  return {
    start(jobId) {
      if (waiting.size >= WAITING_MAX || running.has(jobId)) return;
      waiting.add(jobId);
      next();
    },
    async close() {
      stop.abort();
      await Promise.allSettled(running.values());
    },
  };
}
