/**
 * `npm run bench:vram`: policies side by side on simulated and real demand, against what can be known only afterwards.
 * docs/vram.md says what is measured and how. The last line is one JSON object of the figures.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { POLICIES } from "#agent/vram/policy-table.ts";
import { compareOnCycles } from "./vram/cycles-comparison.ts";
import { readGentd26 } from "./vram/gentd26.ts";
import { compareOnGentd26, type Gentd26Comparison } from "./vram/gentd26-comparison.ts";
import { cacheRegretRatio, optRatio } from "./vram/measures.ts";
import { compareOnMix, mixRows, type MixComparison } from "./vram/mix-comparison.ts";
import { plannerP99 } from "./vram/planner-cost.ts";
import { runRandomSteps } from "./vram/random-steps.ts";
import { restorationMix } from "./vram/restoration-mix.ts";
import { simulate } from "./vram/simulation.ts";
import { stallPlot } from "./vram/stall-plot.ts";
import { markdownTable } from "./vram/table.ts";
import { timelinePlot } from "./vram/timeline-plot.ts";

const HELP = `Usage: npm run bench:vram -- [options]

  --quick     one short mix instead of three long ones
  --seed N    seed of the first mix, and of the random steps; 1 unless given
  --plots     writes docs/vram-stall.svg and docs/vram-timeline.svg; not with --quick
  --steps N   instead of all this: N random planner steps, every one checked
`;
const BUDGETS_GIGABYTES = [20, 28, 40] as const;
const MIXES = { full: { count: 3, jobs: 2_000 }, quick: { count: 1, jobs: 400 } } as const;
/** For all the optima together; the rest of a full run takes seconds. */
const OPTIMUM_MS_MAX = 240_000;
const PLANNER_STAGES = [250, 500, 1_000, 2_000] as const;
const PLANNER_STAGES_GOAL = 1_000;
/** A busy stretch of the first mix. */
const TIMELINE = { budgetGigabytes: 20, from: 600, seconds: 240 } as const;
const GENTD26 = new URL("../../../shared/traces/gentd26-requests.csv", import.meta.url);
const DOCS = new URL("../../docs/", import.meta.url);

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const progress = (line: string): void => void process.stderr.write(`${line}\n`);
const now = (): number => performance.now();
const round = (value: number): number => Number(value.toFixed(4));

async function compareMixes(seed: number, isQuick: boolean): Promise<MixComparison[]> {
  const { count, jobs } = MIXES[isQuick ? "quick" : "full"];
  const mixes = Array.from({ length: count }, (_, nth) => restorationMix({ jobs, seed: seed + nth }));
  const endsAt = now() + OPTIMUM_MS_MAX;
  const comparisons: MixComparison[] = [];
  for (const budgetGigabytes of BUDGETS_GIGABYTES) {
    const comparison = await compareOnMix(mixes, budgetGigabytes, {
      endsAt,
      now,
      onChunk: (done, of) => progress(`optimum at ${budgetGigabytes} GB: chunk ${done} of ${of}`),
    });
    say(`\nRestoration mix, ${count} × ${jobs} jobs, ${budgetGigabytes} GB:\n`);
    say(markdownTable(mixRows(comparison)));
    if (comparison.unfinishedChunks > 0)
      say(`\n${comparison.unfinishedChunks} chunks ran out of time: the bound is lower than it might be.`);
    comparisons.push(comparison);
  }
  return comparisons;
}

async function compareTrace(): Promise<Gentd26Comparison | undefined> {
  if (!existsSync(GENTD26)) {
    say(
      "\nGenTD26: skipped, the trace is not here (shared/traces/gentd26-requests.csv beside the repository).",
    );
    return undefined;
  }
  const comparison = compareOnGentd26(await readGentd26(GENTD26));
  say(`\nGenTD26, 3 slots:\n`);
  say(markdownTable(comparison.rows));
  return comparison;
}

function measurePlanner(): number {
  say("\nOne decision of the planner, 32 models:\n");
  const costs = PLANNER_STAGES.map((stages) => ({ stages, p99: plannerP99(stages) }));
  const rows = costs.map(({ stages, p99 }) => [stages, p99.toFixed(1), ((p99 * 1000) / stages).toFixed(0)]);
  say(markdownTable([["stages queued", "p99 µs", "ns per stage"], ...rows]));
  return costs.find(({ stages }) => stages === PLANNER_STAGES_GOAL)!.p99;
}

async function writePlots(comparisons: readonly MixComparison[], seed: number): Promise<void> {
  await writeFile(new URL("vram-stall.svg", DOCS), stallPlot(comparisons));
  const mix = restorationMix({ jobs: 400, seed });
  const { budgetGigabytes, from, seconds } = TIMELINE;
  const runs = (["lru", "lookahead"] as const).map((name) => ({
    title: `${name}, ${budgetGigabytes} GB`,
    result: simulate(mix, { policy: POLICIES[name], budgetGigabytes }),
  }));
  await writeFile(
    new URL("vram-timeline.svg", DOCS),
    timelinePlot(runs, mix.models, { from, to: from + seconds }),
  );
}

/** `opt_ratio` and the regret are of lookahead in the order of arrival, the prefetches counted. */
function figuresOf(comparison: MixComparison): Record<string, number> {
  const { budgetGigabytes, rivals, optimum } = comparison;
  const inOrder = rivals["lookahead, in order"].load;
  return {
    [`stall_ratio_${budgetGigabytes}`]: round(rivals.lookahead.stall / rivals.lru.stall),
    [`opt_ratio_${budgetGigabytes}`]: round(optRatio(inOrder, optimum)),
    [`cache_regret_ratio_${budgetGigabytes}`]: round(
      cacheRegretRatio(inOrder, { optimumSeconds: optimum, lruSeconds: rivals.lru.load }),
    ),
  };
}

async function compareAll(seed: number, options: { isQuick: boolean; isPlotting: boolean }): Promise<object> {
  const comparisons = await compareMixes(seed, options.isQuick);
  const cycles = compareOnCycles();
  say("\nAdversarial cycles, 5 slots, hit ratio on demand:\n");
  say(markdownTable(cycles.rows));
  const trace = await compareTrace();
  const planner = measurePlanner();
  if (options.isPlotting) await writePlots(comparisons, seed);
  const overtaken = comparisons.map(({ rivals }) => rivals.lookahead.maxOvertaken);
  return {
    ...Object.assign({}, ...comparisons.map(figuresOf)),
    ...(trace === undefined
      ? {}
      : { gentd26_hit: round(trace.hit), gentd26_hit_reordered: round(trace.hitReordered) }),
    max_overtaken: Math.max(...overtaken, cycles.maxOvertaken, trace?.maxOvertaken ?? 0),
    planner_p99_us: round(planner),
  };
}

function runSteps(steps: number, seed: number): object {
  return runRandomSteps(steps, {
    seed,
    onProgress: (done) => {
      if (done % 100_000 === 0) progress(`${done} of ${steps} steps`);
    },
  });
}

/** @throws Error where the text is not a whole number above zero. */
function countOf(option: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new Error(`--${option} takes a whole number above zero, not ${text}`);
}

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    plots: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    steps: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else {
  const seed = countOf("seed", values.seed);
  const figures =
    values.steps === undefined
      ? await compareAll(seed, { isQuick: values.quick, isPlotting: values.plots && !values.quick })
      : runSteps(countOf("steps", values.steps), seed);
  say(`\n${JSON.stringify(figures)}`);
}
