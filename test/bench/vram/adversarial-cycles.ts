import type { WorkJob, Workload } from "./workload.ts";

/** Cycles of requests that are the worst case of one rule or another; unit sizes and costs, five slots. */
export interface Cycle {
  readonly name: string;
  readonly workload: Workload;
}

const USES = 2_000;
export const CYCLE_SLOTS = 5;
/** Jobs that are seen at once. */
export const CYCLE_QUEUE = 32;

function cycle(name: string, modelAt: (at: number) => number): Cycle {
  const places = Array.from({ length: USES }, (_, at) => modelAt(at));
  const models = Array.from({ length: Math.max(...places) + 1 }, (_, place) => ({
    id: `m${place}`,
    gigabytes: 1,
    warmSeconds: 1,
    coldSeconds: 1,
  }));
  const jobs: WorkJob[] = places.map((model) => ({ arrivesAt: 0, stages: [{ model, runSeconds: 1 }] }));
  return { name, workload: { models, jobs, activationGigabytes: 0 } };
}

export const CYCLES: readonly Cycle[] = [
  // Sleator, Tarjan 1985: one model more than there are slots, in turn. LRU never hits.
  cycle("one too many, in turn", (at) => at % (CYCLE_SLOTS + 1)),
  // Two groups of users, each of which fills the device, by turns.
  cycle("two groups by turns", (at) => (at % 8) + (Math.floor(at / 8) % 2) * 4),
  // A favourite, and a scan through all the rest that pushes it out.
  cycle("a favourite and a scan", (at) => (at % 7 === 0 ? 0 : 1 + (at % 12))),
  // What was used often is never used again. Counting uses keeps it.
  cycle("a past favourite", (at) => (at < USES / 2 ? at % 4 : 4 + (at % 6))),
];
