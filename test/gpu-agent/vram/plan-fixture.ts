import type { Action } from "#agent/vram/action.ts";
import type { JobDemand } from "#agent/vram/demand.ts";
import type { ModelPhase, ModelState, PoolState } from "#agent/vram/pool-state.ts";
import { createUseHistory } from "#agent/vram/use-history.ts";

/** Phase and size; pinned and barred where said. */
type Sketch = readonly [phase: ModelPhase, bytes: number, mark?: "pinned" | "barred"];

/** A device of ten bytes, idle, whose models are named in the sketch. */
export function poolOf(sketches: Readonly<Record<string, Sketch>>, rest: Partial<PoolState> = {}): PoolState {
  const models: ModelState[] = Object.entries(sketches).map(([id, [phase, bytes, mark]]) => ({
    id,
    phase,
    bytes,
    reloadMs: 100,
    fileBytes: bytes,
    isPinned: mark === "pinned",
    isBarred: mark === "barred",
  }));
  return {
    models,
    deviceBytes: 10,
    reserveBytes: 0,
    activationBytes: 0,
    warmFreeBytes: 0,
    isIdle: true,
    history: createUseHistory(models.length),
    ...rest,
  };
}

/** A job that needs these models of the pool, one after the other, the first of them now. */
export function jobOf(
  pool: PoolState,
  ids: readonly string[],
  rest: Partial<JobDemand & { readonly activationBytes: number }> = {},
): JobDemand {
  const { activationBytes = 0, ...job } = rest;
  const stages = ids.map((id, nth) => ({
    id: `s${nth}`,
    model: placeOf(pool, id),
    activationBytes,
    isReady: nth === 0 && job.isRunning !== true,
  }));
  return { id: ids.join("-"), isRunning: false, stages, overtaken: 0, ...job };
}

export function placeOf({ models }: PoolState, id: string): number {
  return models.findIndex((model) => model.id === id);
}

/** Actions as words: "evict a for b", "load b", "run a-b s0", "wait draining". */
export function wordsOf(pool: PoolState, actions: readonly Action[]): string[] {
  const id = (model: number): string => pool.models[model]?.id ?? "?";
  return actions.map((action) => {
    switch (action.kind) {
      case "evict":
        return `evict ${id(action.model)} for ${id(action.forModel)}`;
      case "load":
        return `load ${id(action.model)}`;
      case "prefetch":
        return `prefetch ${id(action.model)} ${action.to}`;
      case "cool":
        return `cool ${id(action.model)}`;
      case "run":
        return `run ${action.job.id} ${action.stage.id}`;
      case "reject":
        return `reject ${action.job.id}: ${action.modelId} ${action.reason}`;
      case "wait":
        return `wait ${action.until}`;
    }
  });
}
