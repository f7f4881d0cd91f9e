import type { Clock } from "#shared/ports.ts";
import type { Device } from "./device.ts";

interface MemoryReturn {
  readonly device: Pick<Device<never, unknown>, "heldBytes">;
  readonly clock: Clock;
  readonly pollMs: number;
  /** What the device may hold once it is back, at this moment. */
  mayHoldBytes(): number;
}

/**
 * Waits until a release has really given its memory back: until the device holds no more than it may without it.
 * Answers what it holds then; undefined where the device cannot say, and is believed.
 */
export async function memoryBack(
  { device, clock, pollMs, mayHoldBytes }: MemoryReturn,
  signal: AbortSignal,
): Promise<number | undefined> {
  for (;;) {
    const before = mayHoldBytes();
    const held = await device.heldBytes(signal);
    signal.throwIfAborted();
    if (held === undefined) return undefined;
    // While it was asked something may have been opened or started: the smaller sum is the safe one.
    if (held <= Math.min(before, mayHoldBytes())) return held;
    await clock.sleep(pollMs, signal);
  }
}
