import type { Action, Evict, Wait } from "./action.ts";
import { chooseStage, type Choice } from "./choice.ts";
import type { Demand } from "./demand.ts";
import { createOutlook, readOutlook, type Outlook } from "./outlook.ts";
import type { Policy } from "./policy.ts";
import {
  budgetBytesOf,
  drainingBytesOf,
  isAny,
  isUsable,
  usedBytesOf,
  type ModelPhase,
  type PoolState,
} from "./pool-state.ts";
import { rejectsOf } from "./rejection.ts";
import { chooseVictims } from "./victims.ts";

export interface Planner {
  /**
   * What to do now, in this order; to be asked again whenever anything has changed. The answer depends on the
   * arguments alone.
   *
   * 1. Stages that cannot be run here are rejected, before anything else.
   * 2. While a stage runs, the model needed soonest is prefetched, where that pays.
   * 3. Else a stage is chosen. Its model is loaded: `run`. It is not: `load`, once the memory is free. Until then idle
   *    models are evicted, and what is already on its way back is waited for.
   * 4. Beside all this, the prepared file that is needed soonest and not in memory is read ahead, and files that no known
   *    stage needs leave the memory where it is short, those used longest ago first.
   *
   * `load`, `prefetch` and `run` are answered only where their memory is free at this moment, so that an eviction is
   * always finished before its memory is used. One model is opened at a time, and one file read ahead beside it.
   */
  plan(state: PoolState, demand: Demand): readonly Action[];
}

export function createPlanner(policy: Policy): Planner {
  /** Kept from call to call for its memory only. */
  let outlook: Outlook = createOutlook(0);

  function plan(state: PoolState, demand: Demand): readonly Action[] {
    const rejects = rejectsOf(state, demand);
    if (rejects.length > 0) return rejects;
    if (outlook.nextUse.length !== state.models.length) outlook = createOutlook(state.models.length);
    readOutlook(outlook, demand);
    const choice = state.isIdle ? chooseStage(state, demand, policy.overtakesMax) : undefined;
    const actions = choice === undefined ? prefetch(state) : serve(state, choice);
    return [...keepFiles(state, actions), ...actions];
  }

  /** What to do with the files in the memory of the machine. */
  function keepFiles(state: PoolState, actions: readonly Action[]): readonly Action[] {
    const { models, warmFreeBytes } = state;
    const cold = policy.mayDisplace === undefined ? undefined : fileToRead(state, actions);
    const needBytes = cold === undefined ? 0 : models[cold]!.fileBytes;
    const victims = filesToCool(state, needBytes - warmFreeBytes);
    const coolings = victims.map((model): Action => ({ kind: "cool", model }));
    const freeBytes = victims.reduce((free, model) => free + models[model]!.fileBytes, warmFreeBytes);
    if (cold === undefined || needBytes > freeBytes) return warmFreeBytes < 0 ? coolings : [];
    return [...coolings, { kind: "prefetch", model: cold, to: "warm" }];
  }

  /** Until so many bytes are free, or there are no more: of the files that nobody is known to need, those used longest ago. */
  function filesToCool({ models, history }: PoolState, missingBytes: number): readonly number[] {
    if (missingBytes <= 0) return [];
    const idle = models.flatMap(({ phase }, model) =>
      phase === "warm" && outlook.nextUse[model] === Infinity ? [model] : [],
    );
    idle.sort((a, b) => history.lastUse[a]! - history.lastUse[b]!);
    let missing = missingBytes;
    return idle.filter((model) => {
      if (missing <= 0) return false;
      missing -= models[model]!.fileBytes;
      return true;
    });
  }

  function serve(state: PoolState, { job, stage, overtaken }: Choice): readonly Action[] {
    const { model, activationBytes } = stage;
    const { phase, bytes } = state.models[model]!;
    if (isUsable(phase))
      return makeRoom(state, activationBytes, model) ?? [{ kind: "run", job, stage, overtaken }];
    if (phase !== "cold" && phase !== "warm") return wait(WAKES[phase]);
    if (isAny(state, "promoting")) return wait("loading");
    return makeRoom(state, bytes + activationBytes, model) ?? [{ kind: "load", model, job, stage }];
  }

  /** What is to be done first, or undefined where the memory is free. */
  function makeRoom(state: PoolState, needBytes: number, forModel: number): readonly Action[] | undefined {
    const overBytes = usedBytesOf(state) + needBytes - budgetBytesOf(state);
    if (overBytes <= 0) return undefined;
    const missingBytes = overBytes - drainingBytesOf(state);
    if (missingBytes <= 0) return wait("draining");
    const mayEvict = (model: number): boolean => model !== forModel;
    const victims = chooseVictims(policy, { state, outlook }, { missingBytes, mayEvict });
    return victims === undefined ? wait(holderOf(state)) : [...evict(victims, forModel), ...wait("draining")];
  }

  /** Only ever for what is needed soonest: what comes later must not take the room that this will need. */
  function prefetch(state: PoolState): readonly Action[] {
    const nothing = wait(state.isIdle ? "demand" : "leased");
    if (policy.mayDisplace === undefined || isAny(state, "promoting")) return nothing;
    const model = soonest((model) => LOADABLE.has(state.models[model]!.phase));
    if (model === undefined) return nothing;
    const overBytes = usedBytesOf(state) + state.models[model]!.bytes - budgetBytesOf(state);
    if (overBytes <= 0) return [{ kind: "prefetch", model, to: "hot" }];
    const missingBytes = overBytes - drainingBytesOf(state);
    if (missingBytes <= 0) return nothing;
    const mayEvict = (victim: number): boolean => outlook.nextUse[victim]! > outlook.nextUse[model]!;
    const victims = chooseVictims(policy, { state, outlook }, { missingBytes, mayEvict });
    if (victims === undefined || !policy.mayDisplace({ model, victims }, { state, outlook })) return nothing;
    return [...evict(victims, model), ...nothing];
  }

  /** The file to read ahead, unless one is being read; what is opened now is read by that. */
  function fileToRead(state: PoolState, actions: readonly Action[]): number | undefined {
    const { models } = state;
    if (isAny(state, "warming")) return undefined;
    const isOpened = (model: number): boolean =>
      actions.some(
        (action) => (action.kind === "load" || action.kind === "prefetch") && action.model === model,
      );
    return soonest((model) => models[model]!.phase === "cold" && !isOpened(model));
  }

  /** Of the models meant, the one that is needed soonest; undefined where none is known to be needed. */
  function soonest(isMeant: (model: number) => boolean): number | undefined {
    let best: number | undefined;
    let bestUse = Infinity;
    outlook.nextUse.forEach((use, model) => {
      if (use >= bestUse || !isMeant(model)) return;
      best = model;
      bestUse = use;
    });
    return best;
  }

  return { plan };
}

const LOADABLE: ReadonlySet<ModelPhase> = new Set(["cold", "warm"]);

/** What ends a phase in which a model can neither be used nor loaded. */
const WAKES = {
  warming: "loading",
  promoting: "loading",
  draining: "draining",
  poisoned: "poisoned",
} as const;

function wait(until: Wait["until"]): readonly Wait[] {
  return [{ kind: "wait", until }];
}

function evict(victims: readonly number[], forModel: number): readonly Evict[] {
  return victims.map((model) => ({ kind: "evict", model, forModel }));
}

/** Who holds the memory that cannot be had. */
function holderOf({ models }: PoolState): Wait["until"] {
  for (const { phase } of models) if (phase === "promoting" || phase === "poisoned") return WAKES[phase];
  return "leased";
}
