import type { Policy } from "#agent/vram/policy.ts";
import { POLICIES } from "#agent/vram/policy-table.ts";
import { cheapestWait, furthestUse, runOffline } from "./belady.ts";
import {
  cacheRegretRatio,
  hitRatio,
  loadSecondsPerJob,
  optRatio,
  quantileOf,
  stallSecondsPerJob,
} from "./measures.ts";
import { solveOptimum, type Optimum, type OptimumOptions } from "./optimum.ts";
import { fifoOrder } from "./request-order.ts";
import { simulate } from "./simulation.ts";
import type { Workload } from "./workload.ts";

const { lru, gdsf, lookahead } = POLICIES;

/** The policies side by side; the middle two show what lookahead, prefetching and reordering each bring. */
const RIVALS = {
  lru,
  gdsf,
  "lookahead, in order, on demand": { ...lookahead, overtakesMax: 0, mayDisplace: undefined },
  "lookahead, in order": { ...lookahead, overtakesMax: 0 },
  lookahead,
} as const satisfies Record<string, Policy>;

export type Rival = keyof typeof RIVALS;

/** Means over the workloads; seconds per job. */
interface RivalFigures {
  readonly stall: number;
  readonly load: number;
  readonly hit: number;
  readonly latencyP50: number;
  readonly latencyP95: number;
  readonly maxOvertaken: number;
}

export interface MixComparison {
  readonly budgetGigabytes: number;
  readonly rivals: Readonly<Record<Rival, RivalFigures>>;
  /** Seconds of loading per job of rules that know the future, in the order of arrival. */
  readonly belady: number;
  readonly beladyByCost: number;
  readonly optimum: number;
  readonly optimumFound: number;
  readonly unfinishedChunks: number;
}

/** Every policy on the same jobs with the same budget, beside what can be known only afterwards. */
export async function compareOnMix(
  workloads: readonly Workload[],
  budgetGigabytes: number,
  options: OptimumOptions,
): Promise<MixComparison> {
  const jobs = workloads.reduce((sum, workload) => sum + workload.jobs.length, 0);
  const orders = workloads.map((workload) => fifoOrder(workload, budgetGigabytes));
  const optima: Optimum[] = [];
  for (const [at, order] of orders.entries()) {
    const onChunk = (done: number, of: number): void => options.onChunk?.(at * of + done, orders.length * of);
    optima.push(await solveOptimum(order, { ...options, onChunk }));
  }
  const perJob = (seconds: readonly number[]): number => seconds.reduce((sum, each) => sum + each, 0) / jobs;
  const measured = Object.entries(RIVALS).map(([name, policy]) => [
    name,
    figuresOf(workloads, { policy, budgetGigabytes }),
  ]);
  return {
    budgetGigabytes,
    rivals: Object.fromEntries(measured) as Record<Rival, RivalFigures>,
    belady: perJob(orders.map((order) => runOffline(order, furthestUse).seconds)),
    beladyByCost: perJob(orders.map((order) => runOffline(order, cheapestWait).seconds)),
    optimum: perJob(optima.map(({ seconds }) => seconds)),
    optimumFound: perJob(optima.map(({ foundSeconds }) => foundSeconds)),
    unfinishedChunks: optima.reduce((sum, { unfinished }) => sum + unfinished, 0),
  };
}

function figuresOf(
  workloads: readonly Workload[],
  options: { readonly policy: Policy; readonly budgetGigabytes: number },
): RivalFigures {
  const results = workloads.map((workload) => simulate(workload, options));
  const mean = (measure: (result: (typeof results)[number]) => number): number =>
    results.reduce((sum, result) => sum + measure(result), 0) / results.length;
  return {
    stall: mean(stallSecondsPerJob),
    load: mean(loadSecondsPerJob),
    hit: mean(hitRatio),
    latencyP50: mean(({ latencies }) => quantileOf(latencies, 0.5)),
    latencyP95: mean(({ latencies }) => quantileOf(latencies, 0.95)),
    maxOvertaken: Math.max(...results.map(({ maxOvertaken }) => maxOvertaken)),
  };
}

/** One row per policy, then the offline rules and the optimum. */
export function mixRows(comparison: MixComparison): (string | number)[][] {
  const { rivals, optimum } = comparison;
  const against = { optimumSeconds: optimum, lruSeconds: rivals.lru.load };
  // An order of its own has an optimum of its own: no ratio for who reorders.
  const judge = (load: number): string[] => [
    optRatio(load, optimum).toFixed(2),
    cacheRegretRatio(load, against).toFixed(2),
  ];
  const rows = Object.entries(rivals).map(([name, figures]) => [
    name,
    figures.stall.toFixed(3),
    (figures.stall / rivals.lru.stall).toFixed(2),
    figures.load.toFixed(3),
    ...(figures.maxOvertaken > 0 ? ["–", "–"] : judge(figures.load)),
    figures.hit.toFixed(3),
    figures.latencyP50.toFixed(1),
    figures.latencyP95.toFixed(0),
    figures.maxOvertaken,
  ]);
  const offline = (name: string, load: number): string[] => [
    name,
    load.toFixed(3),
    (load / rivals.lru.stall).toFixed(2),
    load.toFixed(3),
    ...judge(load),
    "–",
    "–",
    "–",
    "–",
  ];
  return [
    [
      "policy",
      "stall s/job",
      "of LRU's",
      "load s/job",
      "opt_ratio",
      "regret",
      "hit",
      "latency p50 s",
      "p95 s",
      "overtaken",
    ],
    ...rows,
    offline("Belady (furthest use)", comparison.belady),
    offline("Belady with cost and size", comparison.beladyByCost),
    offline("optimum, proven bound", optimum),
    offline("optimum, found in chunks", comparison.optimumFound),
  ];
}
