import { Fault } from "#shared/domain/fault.ts";
import type { Clock, Entropy } from "#shared/ports.ts";

const PAUSE_MS = 200;
const PAUSE_MS_MAX = 5_000;

/** What waiting takes: a clock, and randomness to spread the waiters. */
export interface Patience {
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/** `ms`, a quarter more or less, so that a fleet does not move in step. */
export function jittered(ms: number, entropy: Entropy): number {
  const unit = new DataView(Uint8Array.from(entropy(4)).buffer).getUint32(0) / 2 ** 32;
  return ms * (0.75 + unit / 2);
}

/**
 * Repeats a call that may be repeated for as long as it answers busy: the first time at once (a reply was lost), then
 * after pauses that double from 0.2 s to 5 s. Every other error is the caller's, and so is the last busy one once
 * `untilMs` has come. Rejects with the signal's reason when aborted while it pauses.
 */
export async function repeatWhileBusy<T>(
  patience: Patience & { readonly untilMs: number },
  call: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { clock, entropy, untilMs } = patience;
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Fault && error.retryable) || clock.now() >= untilMs) throw error;
    }
    const pause = tries === 1 ? 0 : Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (tries - 2));
    await clock.sleep(Math.min(jittered(pause, entropy), Math.max(0, untilMs - clock.now())), signal);
  }
}
