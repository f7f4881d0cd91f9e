/** A thread that runs the seeds it is handed, one at a time. */
import { parentPort } from "node:worker_threads";
import { simulate, type SimulationAsk } from "./simulation.ts";

// Thousands of refused calls a second make errors that nobody looks into; a seed that fails is run again with its story.
Error.stackTraceLimit = 0;

parentPort?.on("message", (ask: SimulationAsk) => {
  simulate(ask).then(
    (outcome) => parentPort?.postMessage(outcome, []),
    (error: unknown) => {
      throw error;
    },
  );
});
