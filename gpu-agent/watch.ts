import type { Lease, Progress } from "#shared/domain/message.ts";
import type { Clock } from "#shared/ports.ts";
import type { RunOutcome, Worker } from "./worker/protocol.ts";

const SILENCE_MS_MIN = 120_000;
const PAUSES_KEPT = 500;

/** How long a worker may be silent: twice the 99th percentile of its pauses so far, at least two minutes. */
export interface SilenceRecord {
  /** One beyond the limit was none of the worker's, which would have been killed: this process itself stood still. */
  note(pauseMs: number): void;
  limitMs(): number;
}

export function createSilenceRecord(): SilenceRecord {
  const pauses: number[] = [];
  const limitMs = (): number => {
    const sorted = pauses.toSorted((a, b) => a - b);
    return Math.max(SILENCE_MS_MIN, 2 * (sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0));
  };
  return {
    limitMs,
    note(pauseMs: number): void {
      if (pauseMs > SILENCE_MS_MIN && pauseMs > limitMs()) return;
      pauses.push(pauseMs);
      if (pauses.length > PAUSES_KEPT) pauses.shift();
    },
  };
}

/** Killed by its supervisor; `why` is a clause for the log and the report. */
export type WatchedOutcome = RunOutcome | { readonly type: "hung"; readonly why: string };

export interface Watched {
  readonly worker: Worker;
  readonly clock: Clock;
  readonly silence: SilenceRecord;
  readonly lease: Lease;
  onProgress(progress: Progress): void;
  /** How long a worker that was asked to stop may take over it. */
  abortGraceMs(): number;
}

/**
 * Runs a stage and watches over it: a worker that is silent for too long, passes the lease's hard deadline or does not
 * stop when asked is killed. Never rejects.
 */
export async function runWatched(watched: Watched, signal: AbortSignal): Promise<WatchedOutcome> {
  const { worker, clock, silence, lease } = watched;
  const over = new AbortController();
  let heardAt = clock.now();

  const until = async (at: () => number): Promise<void> => {
    for (let rest = at() - clock.now(); rest > 0; rest = at() - clock.now())
      await clock.sleep(rest, over.signal);
  };
  const isSilent = async (): Promise<string> => {
    const limitMs = silence.limitMs();
    await until(() => heardAt + limitMs);
    return `no progress for ${Math.round(limitMs / 1000)} s`;
  };
  const isLate = async (): Promise<string> => {
    await until(() => lease.hardDeadline);
    return "the hard deadline has passed";
  };
  const isStubborn = async (): Promise<string> => {
    await aborted(signal);
    const at = clock.now() + watched.abortGraceMs();
    await until(() => at);
    return "it did not stop when asked";
  };
  const reasonToKill = new Promise<string>((resolve) => {
    for (const watch of [isSilent, isLate, isStubborn]) {
      watch().then(resolve, () => undefined);
    }
  });

  const run = worker.run(
    lease,
    (progress) => {
      silence.note(clock.now() - heardAt);
      heardAt = clock.now();
      watched.onProgress(progress);
    },
    signal,
  );
  try {
    const first = await Promise.race([run, reasonToKill]);
    if (typeof first !== "string") return first;
    worker.kill();
    await run;
    return { type: "hung", why: first };
  } finally {
    over.abort();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
