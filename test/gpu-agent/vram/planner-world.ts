import type { Action, Wait } from "#agent/vram/action.ts";
import { createPlanner } from "#agent/vram/planner.ts";
import type { Policy } from "#agent/vram/policy.ts";
import type { ModelPhase, ModelState, PoolState } from "#agent/vram/pool-state.ts";
import { createUseHistory, noteEviction, noteUse } from "#agent/vram/use-history.ts";
import { invariant } from "#shared/domain/fault.ts";
import { createWorldQueue, type WorldRun } from "./world-queue.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface WorldOptions {
  readonly policy: Policy;
  readonly models: readonly { readonly bytes: number; readonly isPinned: boolean }[];
  readonly deviceBytes: number;
  readonly reserveBytes: number;
  /** Stages that may run at once. */
  readonly executors: number;
}

/** A device that anything may happen to, and that checks every answer of the planner. */
export interface PlannerWorld {
  /** Something happens, chosen and shaped by the number; then the planner is asked and obeyed until it waits. */
  step(draw: number): void;
  /** No more arrivals: everything that is under way ends, until no job is left. */
  drain(): void;
  /** Moments in which more was held than the device has, and than may be planned with; jobs overtaken; jobs done. */
  counts(): { oom: number; overBudget: number; maxOvertaken: number; finished: number };
}

const QUEUE_MAX = 40;
/** The planner must come to rest within this many answers. */
const ANSWERS_MAX = 100;
const FAILURES_MAX = 3;

/** @throws Error where the planner breaks a promise: evicts what is in use, loads what is loaded, waits for nothing. */
export function createPlannerWorld(options: WorldOptions): PlannerWorld {
  const planner = createPlanner(options.policy);
  const queue = createWorldQueue();
  const models: Mutable<ModelState>[] = options.models.map(({ bytes, isPinned }, place) => ({
    id: `m${place}`,
    phase: "cold",
    bytes,
    reloadMs: 100 + bytes,
    isPinned,
    isBarred: false,
    fileBytes: bytes,
  }));
  const history = createUseHistory(models.length);
  const state: Mutable<PoolState> = {
    models,
    deviceBytes: options.deviceBytes,
    reserveBytes: options.reserveBytes,
    activationBytes: 0,
    warmFreeBytes: options.deviceBytes,
    isIdle: true,
    history,
  };
  const failures = models.map(() => 0);
  /** What the device really holds, kept apart from the planner's own sums. */
  const allocated = new Map<number, number>();
  let oom = 0;
  let overBudget = 0;

  const placesIn = (...phases: ModelPhase[]): number[] =>
    models.flatMap(({ phase }, place) => (phases.includes(phase) ? [place] : []));
  const isAny = (...phases: ModelPhase[]): boolean => placesIn(...phases).length > 0;

  function weigh(): void {
    let held = state.activationBytes;
    for (const bytes of allocated.values()) held += bytes;
    if (held > options.deviceBytes) oom += 1;
    if (held > options.deviceBytes - options.reserveBytes) overBudget += 1;
  }

  function free(place: number): void {
    allocated.delete(place);
    models[place]!.phase = "warm";
  }

  function failLoad(place: number): void {
    free(place);
    failures[place]! += 1;
    models[place]!.isBarred = failures[place]! >= FAILURES_MAX;
  }

  function endRun(run: WorldRun, after: "hot" | "poisoned"): void {
    queue.end(run);
    state.activationBytes -= run.stage.activationBytes;
    state.isIdle = true;
    const { model } = run.stage;
    if (!queue.runs.some(({ stage }) => stage.model === model)) models[model]!.phase = after;
  }

  /** What is under way and may end now. */
  function endings(): (() => void)[] {
    const list = [
      ...placesIn("promoting").map((place) => () => void (models[place]!.phase = "hot")),
      ...placesIn("warming").map((place) => () => void (models[place]!.phase = "warm")),
      ...placesIn("draining").map((place) => () => free(place)),
      ...queue.runs.map((run) => () => endRun(run, "hot")),
    ];
    // With the worker go all its sessions.
    if (isAny("poisoned") && !isAny("leased", "promoting"))
      list.push(() => placesIn("hot", "draining", "poisoned").forEach(free));
    return list;
  }

  function mishaps(draw: number): (() => void)[] {
    const drawn = draw % models.length;
    return [
      ...placesIn("promoting").map((place) => () => failLoad(place)),
      ...queue.runs.map((run) => () => endRun(run, "poisoned")),
      ...placesIn("warm").map((place) => () => void (models[place]!.phase = "cold")),
      () => {
        models[drawn]!.isBarred = false;
        failures[drawn] = 0;
      },
    ];
  }

  function apply(action: Action): void {
    if (action.kind === "reject") return queue.leave(action.job);
    if (action.kind === "wait") return expectComing(action);
    const place = action.kind === "run" ? action.stage.model : action.model;
    const model = models[place]!;
    const isIn = (...phases: ModelPhase[]): void =>
      invariant(phases.includes(model.phase), `${action.kind} of ${model.id}, which is ${model.phase}`);
    switch (action.kind) {
      case "evict":
        isIn("hot");
        invariant(!model.isPinned, "what is pinned stays");
        noteEviction(history, place);
        model.phase = "draining";
        return;
      case "load":
      case "prefetch": {
        const isReadAhead = action.kind === "prefetch" && action.to === "warm";
        isIn("cold", isReadAhead ? "cold" : "warm");
        invariant(!isAny(isReadAhead ? "warming" : "promoting"), "one at a time");
        model.phase = isReadAhead ? "warming" : "promoting";
        if (!isReadAhead) allocated.set(place, model.bytes);
        return;
      }
      case "cool":
        isIn("warm");
        model.phase = "cold";
        return;
      case "run":
        isIn("hot", "leased");
        noteUse(history, place, model);
        model.phase = "leased";
        queue.start(action, action.overtaken);
        state.activationBytes += action.stage.activationBytes;
        state.isIdle = queue.runs.length < options.executors;
        invariant(queue.runs.length <= options.executors, "a free executor");
    }
  }

  /** What is waited for must be under way: otherwise nothing would ever happen again. */
  function expectComing({ until }: Wait): void {
    const isComing = {
      loading: isAny("promoting", "warming"),
      draining: isAny("draining"),
      poisoned: isAny("poisoned"),
      leased: queue.runs.length > 0,
      demand: queue.runs.length > 0 || queue.jobs.length === 0,
    }[until];
    invariant(isComing, `waits for ${until}, which is not coming`);
  }

  function settle(): void {
    for (let answers = 0; ; answers += 1) {
      invariant(answers < ANSWERS_MAX, "the planner comes to rest");
      const inMemory = models.filter(({ phase }) => phase !== "cold");
      state.warmFreeBytes = inMemory.reduce((free, { fileBytes }) => free - fileBytes, options.deviceBytes);
      const actions = planner.plan(state, queue.jobs);
      for (const action of actions) {
        apply(action);
        weigh();
      }
      if (actions.at(-1)!.kind === "wait") return;
    }
  }

  return {
    step(draw) {
      const shape = draw >> 3;
      const pick = <T>(list: readonly T[]): T | undefined => list[shape % Math.max(1, list.length)];
      if (draw % 8 < 3 && queue.jobs.length < QUEUE_MAX) queue.arrive(shape, models.length);
      else if (draw % 8 < 7) pick(endings())?.();
      else pick(mishaps(shape))?.();
      settle();
    },
    drain() {
      while (queue.jobs.length > 0) {
        const [next] = endings();
        invariant(next !== undefined, "a job is left, and nothing is under way");
        next();
        settle();
      }
    },
    counts: () => ({ oom, overBudget, maxOvertaken: queue.maxOvertaken, finished: queue.finished }),
  };
}
