import { Fault } from "#shared/domain/fault.ts";
import type { Clock } from "#shared/ports.ts";

/** How long a call to the device may take. Milliseconds. */
export interface TimeLimit {
  readonly clock: Clock;
  readonly ms: number;
  /** What is said of it when it takes longer: "The release of the model x". */
  readonly what: string;
  /** Ends the work early, for which it has `graceMs`. */
  readonly signal?: AbortSignal;
  readonly graceMs?: number;
}

/**
 * Waits for work no longer than its limit. The work gets a signal: aborted when time is up, or with the outer one.
 * @throws Fault busy `device_failed` where the work does not end in time; what the work throws.
 */
export async function inTime<T>(limit: TimeLimit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, ms, what, signal, graceMs = 0 } = limit;
  const over = new AbortController();
  const timer = new AbortController();
  const late = Promise.withResolvers<never>();
  const giveUpAfter = (pauseMs: number): void =>
    void clock.sleep(pauseMs, timer.signal).then(
      () => late.reject(new Fault("busy", "device_failed", `${what} did not end in time.`)),
      () => undefined,
    );
  const hurry = (): void => {
    over.abort(signal?.reason);
    giveUpAfter(graceMs);
  };
  giveUpAfter(ms);
  signal?.addEventListener("abort", hurry, { once: true });
  if (signal?.aborted === true) hurry();
  try {
    return await Promise.race([work(over.signal), late.promise]);
  } finally {
    timer.abort();
    signal?.removeEventListener("abort", hurry);
    over.abort();
  }
}
