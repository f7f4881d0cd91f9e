import { createLoadTimes } from "#agent/vram/load-times.ts";
import { pictureAfter, pictureAt } from "#agent/vram/picture-after.ts";
import { emptyPicture } from "#agent/vram/pool-picture.ts";
import { usedBytesOf, type PoolState } from "#agent/vram/pool-state.ts";
import { POLICIES, type PolicyName } from "#agent/vram/policy-table.ts";
import { simulate } from "../vram/simulation.ts";
import type { Workload } from "../vram/workload.ts";
import { withLoopGap, type LoopGap } from "./loop-gap.ts";
import { median, watchPhases } from "./phase-times.ts";
import { fineClock, openRealPool, type BenchModel, type ModelPlaces } from "./real-pool.ts";
import { runStream } from "./stream-run.ts";
import type { StreamJob } from "./stage-stream.ts";

/** What a model takes here, seconds: medians of single uses while nothing else happened. */
interface ModelCost {
  readonly id: string;
  readonly loadSeconds: number;
  readonly runSeconds: number;
  readonly releaseSeconds: number;
}

/** What a policy did, and what was said before that it would do. */
interface Outcome {
  readonly loads: number;
  readonly hits: number;
  readonly stallSeconds: number;
  readonly loadSeconds: number;
}

export interface PredictionResult {
  readonly policy: PolicyName;
  readonly stages: number;
  readonly costs: readonly ModelCost[];
  readonly predicted: Outcome;
  readonly measured: Outcome & { readonly wallSeconds: number };
  /** What the loads and runs of the stream would have taken by their calibration. */
  readonly drift: { readonly load: number; readonly run: number };
  /** The most that was ever counted. */
  readonly peakBytes: number;
  readonly recycles: number;
  readonly gap: LoopGap;
}

export interface PredictionAsk {
  readonly folder: string;
  readonly places: ModelPlaces;
  readonly models: readonly BenchModel[];
  readonly jobs: readonly StreamJob[];
  readonly budgetBytes: number;
  readonly rounds: number;
  onProgress(line: string): void;
}

/** Jobs that the pool knows of at once. */
const IN_SIGHT = 8;
/** Of a model: the other core is for the load beside it, as a GPU would not share its time with a load either. */
const THREADS = 1;
const GIGABYTE = 1e9;

/**
 * Runs a stream of jobs on the real pool, after it has timed each model there alone, and compares the stall with what
 * the simulation of the planner makes of the same jobs and these times.
 */
export async function compareWithPrediction(
  policy: PolicyName,
  ask: PredictionAsk,
): Promise<PredictionResult> {
  const { models, jobs, budgetBytes, onProgress } = ask;
  const now = (): number => fineClock.now();
  const loadTimes = createLoadTimes(now);
  let phases = watchPhases(now);
  let peakBytes = 0;
  const device = { device: "cpu", deviceBytes: budgetBytes, reserveBytes: 0 };
  let picture = emptyPicture({ ...device, atMs: now() });
  await using real = await openRealPool({
    ...ask,
    policy: POLICIES[policy],
    threads: THREADS,
    loadTimes,
    clock: fineClock,
    onEvent(event, state: PoolState) {
      phases.hear(event);
      peakBytes = Math.max(peakBytes, usedBytesOf(state));
      picture = pictureAfter(picture, event, { atMs: now(), state });
    },
  });
  const useAll = async (round: number): Promise<void> => {
    for (const { id } of models) {
      await real.play({ job: `alone_${round}`, stage: id, model: id, activationBytes: 0 });
      await real.pool.evictIdle();
    }
  };

  // What happens once to a process is no part of the times: kernels are chosen, libraries are bound.
  await useAll(0);
  phases = watchPhases(now);
  for (let round = 1; round <= ask.rounds; round += 1) {
    onProgress(`${policy}: each model alone, round ${round} of ${ask.rounds}`);
    await useAll(round);
  }
  const costs = models.map(({ id }): ModelCost => {
    const { load, run, release } = phases.of(id);
    const seconds = (times: readonly number[]): number => median(times) / 1_000;
    return {
      id,
      loadSeconds: seconds(load),
      runSeconds: seconds(run),
      releaseSeconds: seconds(release),
    };
  });
  const predicted = predict({ policy, costs, models, jobs, budgetBytes });

  phases = watchPhases(now);
  picture = { ...emptyPicture({ ...device, atMs: now() }), models: picture.models };
  const since = now();
  const stream = {
    jobs,
    models,
    inSight: IN_SIGHT,
    onStage: (done: number) => {
      if (done % 50 === 0) onProgress(`${policy}: ${done} stages`);
    },
  };
  const { gap } = await withLoopGap(() => runStream(real, stream));
  const wallSeconds = (now() - since) / 1_000;
  const { counters } = pictureAt(picture, now());
  const stages = jobs.flat().length;
  const spent = (what: "load" | "run"): number =>
    models.reduce((sum, { id }) => sum + phases.of(id)[what].reduce((all, ms) => all + ms, 0) / 1_000, 0);
  const expectedOf = (what: "load" | "run"): number =>
    costs.reduce((sum, cost) => sum + phases.of(cost.id)[what].length * cost[`${what}Seconds`], 0);
  return {
    policy,
    stages,
    costs,
    predicted,
    measured: {
      loads: counters.loads,
      hits: stages - counters.loads,
      stallSeconds: counters.stallMs / 1_000,
      loadSeconds: counters.loadMs / 1_000,
      wallSeconds,
    },
    drift: { load: spent("load") / expectedOf("load"), run: spent("run") / expectedOf("run") },
    peakBytes,
    recycles: real.replacements(),
    gap,
  };
}

function predict(ask: {
  readonly policy: PolicyName;
  readonly costs: readonly ModelCost[];
  readonly models: readonly BenchModel[];
  readonly jobs: readonly StreamJob[];
  readonly budgetBytes: number;
}): Outcome {
  const { policy, costs, models, jobs, budgetBytes } = ask;
  const workload: Workload = {
    models: models.map(({ id, bytes }, place) => {
      const { loadSeconds, releaseSeconds } = costs[place]!;
      return {
        id,
        gigabytes: bytes / GIGABYTE,
        warmSeconds: loadSeconds,
        coldSeconds: loadSeconds,
        releaseSeconds,
      };
    }),
    jobs: jobs.map((places) => ({
      arrivesAt: 0,
      stages: places.map((model) => ({ model, runSeconds: costs[model]!.runSeconds })),
    })),
    activationGigabytes: 0,
  };
  const { loads, stalls, order } = simulate(workload, {
    policy: POLICIES[policy],
    budgetGigabytes: budgetBytes / GIGABYTE,
    queueMax: IN_SIGHT,
    isWarm: true,
  });
  return {
    loads: loads.length,
    hits: order.length - loads.length,
    stallSeconds: stalls.reduce((sum, { from, to }) => sum + to - from, 0),
    loadSeconds: loads.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}
