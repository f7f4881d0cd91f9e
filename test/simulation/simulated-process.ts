import type { Clock } from "#shared/ports.ts";
import type { Loop } from "./virtual-time.ts";

export type ProcessKind = "agent" | "control" | "sweeper" | "consumer" | "customer";

/**
 * A process that may end or stand still at any moment. What waits for the world waits through it: a dead process is
 * never woken again, a paused one only when it goes on. Its clock may be wrong.
 */
export interface SimulatedProcess {
  readonly name: string;
  readonly kind: ProcessKind;
  readonly clock: Clock;
  /** How far its clock runs ahead of the truth, milliseconds. */
  skewMs: number;
  isAlive: boolean;
  isPaused: boolean;
  /** Cut off from everything until then. */
  cutOffUntil: number;
  /** The last moment at which a fault was done to it or to a call of its. */
  faultAt: number;
  /** Something of the world reaches it: now, when it goes on, or never. */
  wake(act: () => void): void;
  kill(): void;
  pause(): void;
  goOn(): void;
}

export function createProcess(
  loop: Loop,
  of: { readonly name: string; readonly kind: ProcessKind; readonly skewMs: number },
): SimulatedProcess {
  let waiting: (() => void)[] = [];

  const process: SimulatedProcess = {
    ...of,
    isAlive: true,
    isPaused: false,
    cutOffUntil: 0,
    faultAt: Number.NEGATIVE_INFINITY,
    clock: {
      now: () => Math.floor(loop.now() + process.skewMs),
      sleep(ms, signal) {
        return new Promise((resolve, reject) => {
          if (signal?.aborted === true) return reject(signal.reason as Error);
          const abort = (): void => {
            timer.cancel();
            reject(signal?.reason as Error);
          };
          const timer = loop.after(ms, () =>
            process.wake(() => {
              signal?.removeEventListener("abort", abort);
              resolve();
            }),
          );
          signal?.addEventListener("abort", abort, { once: true });
        });
      },
    },
    wake(act) {
      if (!process.isAlive) return;
      if (process.isPaused) waiting.push(act);
      else act();
    },
    kill() {
      process.isAlive = false;
      process.faultAt = loop.now();
      waiting = [];
    },
    pause() {
      process.isPaused = true;
      process.faultAt = loop.now();
    },
    goOn() {
      process.isPaused = false;
      process.faultAt = loop.now();
      const due = waiting;
      waiting = [];
      for (const act of due) loop.after(0, () => process.wake(act));
    },
  };
  return process;
}
