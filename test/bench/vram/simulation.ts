import type { Action } from "#agent/vram/action.ts";
import type { JobDemand, StageDemand } from "#agent/vram/demand.ts";
import { createPlanner } from "#agent/vram/planner.ts";
import type { Policy } from "#agent/vram/policy.ts";
import { budgetBytesOf, usedBytesOf, type ModelState, type PoolState } from "#agent/vram/pool-state.ts";
import { createUseHistory, noteEviction, noteUse } from "#agent/vram/use-history.ts";
import { invariant } from "#shared/domain/fault.ts";
import type { SimulationResult, Stay } from "./simulation-result.ts";
import type { WorkJob, Workload } from "./workload.ts";

export interface SimulationOptions {
  readonly policy: Policy;
  readonly budgetGigabytes: number;
  /** Jobs that may wait at once; those beyond it arrive when there is room. */
  readonly queueMax?: number;
  /** Whether every model's file is in memory at the start. */
  readonly isWarm?: boolean;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface QueuedJob extends Mutable<JobDemand> {
  readonly work: WorkJob;
}

const GIGABYTE = 1e9;

/**
 * One device: one stage at a time, one load at a time beside it, evictions at once unless the model's take time. The
 * planner alone decides; what it answers is carried out and checked: never over the budget, never an eviction of what is
 * leased.
 */
export function simulate(workload: Workload, options: SimulationOptions): SimulationResult {
  const { queueMax = Infinity, isWarm = false } = options;
  const planner = createPlanner(options.policy);
  const models: Mutable<ModelState>[] = workload.models.map(
    ({ id, gigabytes, coldSeconds, warmSeconds }) => ({
      id,
      phase: isWarm ? "warm" : "cold",
      bytes: gigabytes * GIGABYTE,
      reloadMs: (isWarm ? warmSeconds : coldSeconds) * 1000,
      isPinned: false,
      isBarred: false,
      fileBytes: gigabytes * GIGABYTE,
    }),
  );
  const history = createUseHistory(models.length);
  const state: Mutable<PoolState> = {
    models,
    deviceBytes: options.budgetGigabytes * GIGABYTE,
    reserveBytes: 0,
    activationBytes: 0,
    warmFreeBytes: Infinity,
    isIdle: true,
    history,
  };
  const queue: QueuedJob[] = [];
  const order: number[] = [];
  const loads: { model: number; seconds: number }[] = [];
  /** What reading ahead has taken of a load that is still to come. */
  const readSeconds = new Map<number, number>();
  const latencies: number[] = [];
  const stays: Mutable<Stay>[] = [];
  const stalls: { from: number; to: number }[] = [];
  let now = 0;
  let arrived = 0;
  let maxOvertaken = 0;
  let running: { job: QueuedJob; stage: StageDemand; endsAt: number } | undefined;
  let loading: { model: number; endsAt: number } | undefined;
  let reading: { model: number; endsAt: number } | undefined;
  const releasing = new Set<{ readonly model: number; readonly endsAt: number }>();

  function admit(): void {
    for (let work = workload.jobs[arrived]; work !== undefined; work = workload.jobs[arrived]) {
      if (work.arrivesAt > now || queue.length >= queueMax) return;
      const stages = work.stages.map(({ model }, nth) => ({
        id: String(nth),
        model,
        activationBytes: workload.activationGigabytes * GIGABYTE,
        isReady: nth === 0,
      }));
      queue.push({ id: String(arrived), work, isRunning: false, stages, overtaken: 0 });
      arrived += 1;
    }
  }

  function startLoad(model: number): void {
    invariant(loading === undefined, "one load at a time");
    const seconds = models[model]!.reloadMs / 1000;
    models[model]!.phase = "promoting";
    models[model]!.reloadMs = workload.models[model]!.warmSeconds * 1000;
    loading = { model, endsAt: now + seconds };
    loads.push({ model, seconds: seconds + (readSeconds.get(model) ?? 0) });
    readSeconds.delete(model);
    stays.push({ model, from: now, to: Infinity });
  }

  function readAhead(model: number): void {
    const { coldSeconds, warmSeconds } = workload.models[model]!;
    models[model]!.phase = "warming";
    readSeconds.set(model, coldSeconds - warmSeconds);
    reading = { model, endsAt: now + coldSeconds - warmSeconds };
  }

  function evict(model: number): void {
    const { releaseSeconds = 0 } = workload.models[model]!;
    invariant(models[model]!.phase === "hot", "only what is idle is evicted");
    models[model]!.phase = releaseSeconds > 0 ? "draining" : "warm";
    if (releaseSeconds > 0) releasing.add({ model, endsAt: now + releaseSeconds });
    noteEviction(history, model);
    stays.findLast((stay) => stay.model === model)!.to = now;
  }

  function startRun(job: QueuedJob, stage: StageDemand): void {
    const model = models[stage.model]!;
    invariant(running === undefined && model.phase === "hot", "one run at a time, on a model that is there");
    model.phase = "leased";
    noteUse(history, stage.model, model);
    order.push(stage.model);
    state.activationBytes = stage.activationBytes;
    state.isIdle = false;
    job.isRunning = true;
    job.stages = job.stages.filter((each) => each !== stage);
    const { runSeconds } = job.work.stages[Number(stage.id)]!;
    running = { job, stage, endsAt: now + runSeconds };
  }

  function apply(action: Action): void {
    switch (action.kind) {
      case "evict":
        evict(action.model);
        break;
      case "load":
        startLoad(action.model);
        break;
      case "prefetch":
        if (action.to === "hot") startLoad(action.model);
        else readAhead(action.model);
        break;
      case "run":
        for (const job of action.overtaken as readonly QueuedJob[])
          maxOvertaken = Math.max(maxOvertaken, (job.overtaken += 1));
        startRun(action.job as QueuedJob, action.stage);
        break;
      case "reject":
        throw new Error(`${action.modelId} needs ${action.needBytes} of ${action.budgetBytes} bytes`);
      // There is memory for every file.
      case "cool":
      case "wait":
    }
    invariant(usedBytesOf(state) <= budgetBytesOf(state), "the budget holds");
  }

  /** Plans until nothing can be done at once. */
  function settle(): void {
    for (let isActing = true; isActing;) {
      const actions = planner.plan(state, queue);
      for (const action of actions) apply(action);
      isActing = actions.some(({ kind }) => kind !== "wait");
    }
  }

  function finishRun(): void {
    const { job, stage } = running!;
    running = undefined;
    models[stage.model]!.phase = "hot";
    state.activationBytes = 0;
    state.isIdle = true;
    job.isRunning = false;
    job.stages = job.stages.map((each, nth) => (nth === 0 ? { ...each, isReady: true } : each));
    if (job.stages.length > 0) return;
    queue.splice(queue.indexOf(job), 1);
    latencies.push(now - job.work.arrivesAt);
  }

  for (;;) {
    admit();
    settle();
    const nextArrival = queue.length < queueMax ? (workload.jobs[arrived]?.arrivesAt ?? Infinity) : Infinity;
    const ends = [running, loading, reading, ...releasing].map((each) => each?.endsAt ?? Infinity);
    const next = Math.min(nextArrival, ...ends);
    if (next === Infinity) break;
    if (running === undefined && queue.length > 0) stalls.push({ from: now, to: next });
    now = next;
    if (running?.endsAt === now) finishRun();
    if (loading?.endsAt === now) {
      models[loading.model]!.phase = "hot";
      loading = undefined;
    }
    for (const release of releasing) {
      if (release.endsAt !== now) continue;
      releasing.delete(release);
      models[release.model]!.phase = "warm";
    }
    if (reading?.endsAt === now) {
      models[reading.model]!.phase = "warm";
      models[reading.model]!.reloadMs = workload.models[reading.model]!.warmSeconds * 1000;
      reading = undefined;
    }
  }
  invariant(queue.length === 0, "every job ends");
  return {
    jobs: workload.jobs.length,
    order,
    loads,
    maxOvertaken,
    latencies: latencies.sort((a, b) => a - b),
    stalls,
    stays: stays.map((stay) => ({ ...stay, to: Math.min(stay.to, now) })),
  };
}
