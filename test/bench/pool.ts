/**
 * `npm run bench:pool`: the pool on real models and the real worker, on the processor. Last line: one JSON object.
 * - stall_error_ratio: |measured − predicted| / predicted, of the seconds that a stream of jobs waits for models; the
 *   worst of the policies (goal 0.15). Predicted by the simulation of `bench:vram` from each model's own times.
 * - reload_ratio: what bringing back a prepared chain of half a gigabyte costs, over the plain file's (goal 0.05).
 * - rss_return_ratio: how far the worker's memory without a model is from what it was after the first round of loads,
 *   after 10,000 loads (goal 0.10).
 * - event_loop_gap_ms: the longest that the process of the pool was deaf while the worker loaded and ran (goal 50).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { choosePlaces } from "#local/places.ts";
import { prepareModels } from "#local/prepare-models.ts";
import { withLoopGap } from "./pool/loop-gap.ts";
import { measureMemory, type MemoryResult } from "./pool/memory-rounds.ts";
import { budgetFor, poolModels } from "./pool/pool-models.ts";
import { compareWithPrediction, type PredictionResult } from "./pool/prediction.ts";
import type { BenchModel, ModelPlaces } from "./pool/real-pool.ts";
import { measureReload, type ReloadResult } from "./pool/reload.ts";
import { stageStream } from "./pool/stage-stream.ts";

const HELP = `The pool on real models and the real worker, on the processor.

  npm run bench:pool -- [--only PART,…] [--quick] [--loads 10000] [--seed 1]

  --only PART,…  prediction, reload, memory (default: all; ten minutes)
  --loads N      of the memory part
  --quick        all parts, short: shows that it runs, not what it measures
  --seed N       of the stream of jobs`;

const PARTS = ["prediction", "reload", "memory"] as const;
const MODELS_MIN = 8;
const BUDGET_OF_MODELS = 3;
const IDLE_MS = 5_000;

const { values } = parseArgs({
  options: {
    only: { type: "string", default: PARTS.join(",") },
    loads: { type: "string" },
    quick: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) process.stdout.write(`${HELP}\n`);
else await main();

async function main(): Promise<void> {
  const parts = values.only.split(",");
  const unknown = parts.find((part) => !PARTS.some((known) => known === part));
  if (unknown !== undefined) throw new Error(`There is no part ${unknown}.\n\n${HELP}`);
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);
  const folder = await mkdtemp(join(tmpdir(), "photokeep-pool-"));
  const figures: Record<string, number> = {};
  const gaps: number[] = [];
  try {
    const places = choosePlaces({ data: folder, models: undefined, cwd: process.cwd() });
    await prepareModels(places, onProgress);
    const models = await poolModels(places);
    const idle = await withLoopGap(() => new Promise((resolve) => setTimeout(resolve, IDLE_MS)));
    figures["event_loop_gap_idle_ms"] = idle.gap.worstMs;
    if (parts.includes("prediction")) {
      if (models.length < MODELS_MIN)
        say(
          `The part "prediction" is skipped: it wants ${MODELS_MIN} models, and ${models.length} are here.`,
        );
      else gaps.push(...(await predict({ folder, places, models, onProgress, say }, figures)));
    }
    if (parts.includes("reload")) {
      const rounds = values.quick ? 1 : 5;
      const result = await measureReload({ folder, places, rounds, threads: 2, onProgress });
      gaps.push(result.gap.worstMs);
      figures["reload_ratio"] = result.chainRatio;
      if (result.rrdbRatio !== undefined) figures["reload_ratio_rrdb"] = result.rrdbRatio;
      sayReload(result, say);
    }
    if (parts.includes("memory")) {
      const loads = Number(values.loads ?? (values.quick ? 100 : 10_000));
      const { result, gap } = await withLoopGap(() =>
        measureMemory({ folder, places, models, loads, onProgress }),
      );
      gaps.push(gap.worstMs);
      figures["rss_return_ratio"] = result.returnRatio;
      figures["peak_of_budget"] = result.peakRatio;
      figures["failed_loads"] = result.failures;
      sayMemory(result, say);
    }
    if (gaps.length > 0) figures["event_loop_gap_ms"] = Math.max(...gaps);
    say(JSON.stringify(figures));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Ask {
  readonly folder: string;
  readonly places: ModelPlaces;
  readonly models: readonly BenchModel[];
  onProgress(line: string): void;
  say(line: string): void;
}

/** Answers the gaps of the event loop. */
async function predict(ask: Ask, figures: Record<string, number>): Promise<number[]> {
  const { models, say } = ask;
  const budgetBytes = budgetFor(models, BUDGET_OF_MODELS);
  const stages = values.quick ? 40 : 400;
  const jobs = stageStream({ models: models.length, stages, seed: Number(values.seed) });
  const rounds = values.quick ? 1 : 5;
  const results: PredictionResult[] = [];
  for (const policy of ["lru", "lookahead"] as const)
    results.push(await compareWithPrediction(policy, { ...ask, jobs, budgetBytes, rounds }));
  say(`${models.length} models, a budget of ${(budgetBytes / 1e6).toFixed(0)} MB, ${jobs.length} jobs`);
  say("model                       MB  load ms  run ms  release ms");
  for (const [place, cost] of results[0]!.costs.entries()) {
    const megabytes = (models[place]!.bytes / 1e6).toFixed(0).padStart(4);
    const times = [cost.loadSeconds, cost.runSeconds, cost.releaseSeconds]
      .map((seconds) => (seconds * 1_000).toFixed(1).padStart(8))
      .join("");
    say(`${cost.id.padEnd(26)}${megabytes} ${times}`);
  }
  say("policy     stages  loads: predicted, measured  stall s: predicted, measured  error  loads took");
  const errors = results.map(({ policy, stages, predicted, measured, drift }) => {
    const error = Math.abs(measured.stallSeconds - predicted.stallSeconds) / predicted.stallSeconds;
    const columns = [
      policy.padEnd(10),
      String(stages).padStart(6),
      `${predicted.loads}, ${measured.loads}`.padStart(27),
      `${predicted.stallSeconds.toFixed(2)}, ${measured.stallSeconds.toFixed(2)}`.padStart(29),
      error.toFixed(3).padStart(6),
      `${drift.load.toFixed(2)} ×`.padStart(11),
    ];
    say(columns.join(" "));
    figures[`stall_error_ratio_${policy}`] = error;
    return error;
  });
  figures["stall_error_ratio"] = Math.max(...errors);
  return results.map(({ gap }) => gap.worstMs);
}

function sayReload({ rows, prefetch }: ReloadResult, say: (line: string) => void): void {
  say("reload, ms                      load  first run  steady run  reload  cold");
  const ms = (seconds: number | undefined): string =>
    seconds === undefined ? "not to be had" : (seconds * 1_000).toFixed(1);
  for (const row of rows)
    say(
      `${row.name.padEnd(30)} ${[row.loadSeconds, row.firstSeconds, row.steadySeconds, row.reloadSeconds, row.coldSeconds].map(ms).join("  ")}`,
    );
  if (prefetch === undefined) return;
  say(
    `an RRDB behind another model's run: waited ${ms(prefetch.stallOnDemandSeconds)} ms on demand, ${ms(prefetch.stallPrefetchedSeconds)} ms fetched ahead; ` +
      `the other's run took ${ms(prefetch.runBesideLoadSeconds)} instead of ${ms(prefetch.runAloneSeconds)} ms beside the load`,
  );
}

function sayMemory({ points, models, peakRatio, failures }: MemoryResult, say: (line: string) => void): void {
  say(`memory of the worker without a model, MB, after so many loads of ${models} models`);
  say(points.map(({ loads, bytes }) => `${loads}: ${(bytes / 1e6).toFixed(1)}`).join("  "));
  say(`peak of the budget ${peakRatio.toFixed(3)}, failed loads and lost workers ${failures}`);
}
