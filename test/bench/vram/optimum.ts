import highsPackage, { type Highs } from "highs";
import { previousUses, type RequestOrder } from "./request-order.ts";

/** The package's types describe its CommonJS half; imported as a module, the default is the loader itself. */
const loadHighs = highsPackage as unknown as typeof highsPackage.default;
/** Uses solved at once. Ten thousand take minutes, a thousand take a second or two. */
const CHUNK_USES = 1_000;
const CHUNK_SECONDS_MAX = 15;
/** Solved when proven to this part of the gain. */
const GAP = 1e-3;
/** Of the sizes: HiGHS prefers whole numbers. */
const UNITS_PER_GIGABYTE = 10;

export interface OptimumOptions {
  /** When to stop proving, on the clock `now`, milliseconds. What is not proven by then has a lower bound. */
  readonly endsAt: number;
  readonly now: () => number;
  readonly onChunk?: (done: number, of: number) => void;
}

export interface Optimum {
  /** Proven: no schedule of this order loads less. */
  readonly seconds: number;
  /** What the solver found, chunk by chunk; how far the bound may be from the truth. */
  readonly foundSeconds: number;
  /** Chunks that ran out of time; their bound holds nevertheless. */
  readonly unfinished: number;
}

/**
 * The least seconds of loading with which this order of uses can be served: for every two uses of a model that follow
 * one another, either it stays between them (a yes-or-no unknown, its reload saved) or it does not; at every use, what
 * stays and what is used must fit. (Interval formulation of offline caching: Albers, Arora, Khanna 1999; Berger,
 * Beckmann, Harchol-Balter 2018, "Practical bounds on optimal caching with variable object sizes".)
 *
 * Solved in chunks: an interval that crosses a cut takes memory only in the chunk where it ends. This and the gap make
 * the result a lower bound: a ratio to it is never flattering.
 */
export async function solveOptimum(order: RequestOrder, options: OptimumOptions): Promise<Optimum> {
  const highs = await loadHighs();
  const previous = previousUses(order.uses);
  const chunks = Math.ceil(order.uses.length / CHUNK_USES);
  let seconds = 0;
  let foundSeconds = 0;
  let unfinished = 0;
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const from = chunk * CHUNK_USES;
    const to = Math.min(order.uses.length, from + CHUNK_USES);
    const secondsLeft = Math.max(0, (options.endsAt - options.now()) / 1000);
    const secondsMax = Math.min(CHUNK_SECONDS_MAX, secondsLeft);
    const solved = solveChunk(highs, { order, previous, from, to, secondsMax });
    seconds += solved.bound;
    foundSeconds += solved.found;
    if (!solved.isFinished) unfinished += 1;
    options.onChunk?.(chunk + 1, chunks);
  }
  return { seconds, foundSeconds, unfinished };
}

interface Chunk {
  readonly order: RequestOrder;
  readonly previous: Int32Array;
  /** The first use, and the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly secondsMax: number;
}

function solveChunk(highs: Highs, chunk: Chunk): { bound: number; found: number; isFinished: boolean } {
  const { order, previous, from, to } = chunk;
  const unitsOf = (gigabytes: number): number => Math.round(gigabytes * UNITS_PER_GIGABYTE);
  const costs: number[] = [];
  const starts: number[] = [0];
  const indices: number[] = [];
  const values: number[] = [];
  /** If nothing ever stayed. */
  let allSeconds = 0;
  for (let at = from; at < to; at += 1) {
    const model = order.uses[at]!;
    const before = previous[at]!;
    if (before === at - 1 && before >= 0) continue;
    allSeconds += before < 0 ? order.firstSeconds[model]! : order.againSeconds[model]!;
    if (before < 0) continue;
    costs.push(-order.againSeconds[model]!);
    for (let between = Math.max(before + 1, from); between < at; between += 1) {
      indices.push(between - from);
      values.push(unitsOf(order.gigabytes[model]!));
    }
    starts.push(indices.length);
  }
  if (costs.length === 0) return { bound: allSeconds, found: allSeconds, isFinished: true };
  const size = { numCols: costs.length, numRows: to - from };
  const beside = (model: number): number => unitsOf(order.budgetGigabytes - order.gigabytes[model]!);
  using model = highs.createModel({
    ...size,
    colCost: costs,
    colLower: costs.map(() => 0),
    colUpper: costs.map(() => 1),
    rowLower: Array.from({ length: size.numRows }, () => -highs.infinity),
    rowUpper: order.uses.slice(from, to).map(beside),
    matrix: { format: "csc", ...size, starts, indices, values },
    integrality: costs.map(() => highs.constants.variableType.integer),
  });
  model.options.set({ output_flag: false, time_limit: chunk.secondsMax, mip_rel_gap: GAP });
  model.run();
  const isFinished = model.getModelStatus() === highs.constants.modelStatus.optimal;
  const bound = Number(model.info.get("mip_dual_bound"));
  // Where no bound was proven in time, nothing is known but that no more than every reload can be saved.
  const reloadSeconds = costs.reduce((sum, cost) => sum - cost, 0);
  return {
    bound: allSeconds + Math.max(bound, -reloadSeconds),
    found: allSeconds + model.getObjectiveValue(),
    isFinished,
  };
}
