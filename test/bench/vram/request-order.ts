import type { Workload } from "./workload.ts";

/** A sequence of uses on one device, known from beginning to end: what offline rules and the optimum are judged on. */
export interface RequestOrder {
  /** Model of each use. */
  readonly uses: readonly number[];
  readonly gigabytes: readonly number[];
  /** Seconds of a model's first load, and of every later one. */
  readonly firstSeconds: readonly number[];
  readonly againSeconds: readonly number[];
  /** For models, beside the activations. */
  readonly budgetGigabytes: number;
}

/** The uses of a workload whose jobs run one after the other as they arrive. */
export function fifoOrder(workload: Workload, budgetGigabytes: number): RequestOrder {
  const { models, jobs, activationGigabytes } = workload;
  return {
    uses: jobs.flatMap(({ stages }) => stages.map(({ model }) => model)),
    gigabytes: models.map(({ gigabytes }) => gigabytes),
    firstSeconds: models.map(({ coldSeconds }) => coldSeconds),
    againSeconds: models.map(({ warmSeconds }) => warmSeconds),
    budgetGigabytes: budgetGigabytes - activationGigabytes,
  };
}

/** For each use, the use before it of the same model; −1 for the first. */
export function previousUses(uses: readonly number[]): Int32Array {
  const last = new Map<number, number>();
  return Int32Array.from(uses, (model, at) => {
    const previous = last.get(model) ?? -1;
    last.set(model, at);
    return previous;
  });
}
