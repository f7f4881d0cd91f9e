import { Worker } from "node:worker_threads";
import type { Outcome, SimulationAsk } from "./simulation.ts";

/** Runs many seeds on a few threads; `onOutcome` hears of each as it ends, in no order. Stops early when it answers false. */
export async function runSeeds(
  asks: Iterable<SimulationAsk>,
  ask: { readonly threads: number; readonly onOutcome: (outcome: Outcome, of: SimulationAsk) => boolean },
): Promise<void> {
  const rest = asks[Symbol.iterator]();
  let goesOn = true;

  /** Hands a thread one seed after the other until none is left. */
  async function serve(worker: Worker): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let current: SimulationAsk | undefined;
      const next = (): void => {
        const { done, value } = rest.next();
        if (!goesOn || done === true) return resolve();
        current = value;
        worker.postMessage(current, []);
      };
      worker.on("error", reject);
      worker.on("exit", (code) => reject(new Error(`a thread ended with ${code}`)));
      worker.on("message", (outcome: Outcome) => {
        if (current !== undefined) goesOn = ask.onOutcome(outcome, current) && goesOn;
        next();
      });
      next();
    });
  }

  const thread = async (): Promise<void> => {
    const worker = new Worker(new URL("./seed-thread.ts", import.meta.url), {
      // Nearly all that a seed makes is garbage soon: the more of it fits, the rarer it is collected.
      resourceLimits: { maxYoungGenerationSizeMb: 192 },
    });
    try {
      await serve(worker);
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: ask.threads }, thread));
}
