import { Worker } from "node:worker_threads";
import type { Outcome, SimulationAsk } from "./simulation.ts";

/**
 * Seeds of one thread, which is then replaced: Node keeps every composite abort signal that somebody listens to, and
 * with it all that an agent was that died listening, a few megabytes a seed.
 */
const SEEDS_PER_THREAD = 100;

/** Runs many seeds on a few threads; `onOutcome` hears of each as it ends, in no order. Stops early when it answers false. */
export async function runSeeds(
  asks: Iterable<SimulationAsk>,
  ask: { readonly threads: number; readonly onOutcome: (outcome: Outcome, of: SimulationAsk) => boolean },
): Promise<void> {
  const rest = asks[Symbol.iterator]();
  let goesOn = true;

  /** Hands a thread one seed after the other until it has had enough. Answers whether any may be left. */
  async function serve(worker: Worker): Promise<boolean> {
    return await new Promise((resolve, reject) => {
      let current: SimulationAsk | undefined;
      let served = 0;
      const next = (): void => {
        if (served === SEEDS_PER_THREAD) return resolve(goesOn);
        const { done, value } = rest.next();
        if (!goesOn || done === true) return resolve(false);
        served += 1;
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

  const lane = async (): Promise<void> => {
    for (let isLeft = true; isLeft;) {
      const worker = new Worker(new URL("./seed-thread.ts", import.meta.url), {
        // Nearly all that a seed makes is garbage soon: the more of it fits, the rarer it is collected.
        resourceLimits: { maxYoungGenerationSizeMb: 192 },
      });
      try {
        isLeft = await serve(worker);
      } finally {
        await worker.terminate();
      }
    }
  };
  await Promise.all(Array.from({ length: ask.threads }, lane));
}
