import type { Outlook } from "./outlook.ts";
import type { PoolState } from "./pool-state.ts";

/** What a decision rests on. */
export interface PlanView {
  readonly state: PoolState;
  readonly outlook: Outlook;
}

/** A model that could be fetched before its stage is next, and what would be evicted for it. */
interface Displacement {
  readonly model: number;
  readonly victims: readonly number[];
}

/** How the planner decides where there is a choice. */
export interface Policy {
  /** What keeping a model is worth: the least is evicted first. Only the order counts. */
  worth(model: number, view: PlanView): number;
  /** Whether a prefetch is worth its evictions. Without it, models are loaded when their stage is next, and never before. */
  readonly mayDisplace: ((displacement: Displacement, view: PlanView) => boolean) | undefined;
  /** How often a job may be overtaken by stages whose model is at hand; 0 runs jobs strictly as they arrived. */
  readonly overtakesMax: number;
}
