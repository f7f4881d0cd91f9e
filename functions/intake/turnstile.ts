import { Fault } from "#shared/domain/fault.ts";

/** Lets a limited number through at once; the others wait in the order they came. */
export type Turnstile = {
  /**
   * Runs `work` as soon as there is room.
   *
   * @throws Fault `intake_busy` (busy) when too many wait already; the reason of the signal while waiting.
   */
  pass<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
};

export function createTurnstile(limits: { atOnce: number; waitingMax: number }): Turnstile {
  let inside = 0;
  const waiting: (() => void)[] = [];

  async function enter(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (inside < limits.atOnce) {
      inside++;
      return;
    }
    if (waiting.length >= limits.waitingMax) {
      throw new Fault(
        "busy",
        "intake_busy",
        "Many photographs are being read just now; this one is tried again.",
      );
    }
    await new Promise<void>((resolve, reject) => {
      const admit = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        waiting.splice(waiting.indexOf(admit), 1);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener("abort", leave, { once: true });
      waiting.push(admit);
    });
  }

  return {
    async pass(work, signal) {
      await enter(signal);
      try {
        return await work();
      } finally {
        // Whoever is next takes the place over, so that no newcomer slips in between.
        const next = waiting.shift();
        if (next === undefined) inside--;
        else next();
      }
    },
  };
}
