import type { Demand, JobDemand, StageDemand } from "./demand.ts";
import { isUsable, type PoolState } from "./pool-state.ts";

/** The stage to start next, or to load for. */
export interface Choice {
  readonly job: JobDemand;
  readonly stage: StageDemand;
  /** Earlier jobs that have a stage ready and are passed over. */
  readonly overtaken: readonly JobDemand[];
}

/**
 * The oldest stage that is ready and whose model is loaded; where there is none, the oldest that is ready. Never past a
 * job that was overtaken `overtakesMax` times. Undefined where nothing is ready.
 */
export function chooseStage(state: PoolState, demand: Demand, overtakesMax: number): Choice | undefined {
  const overtaken: JobDemand[] = [];
  let oldest: Choice | undefined;
  for (const job of demand) {
    let isWaiting = false;
    for (const stage of job.stages) {
      if (!stage.isReady) continue;
      if (isUsable(state.models[stage.model]!.phase)) return { job, stage, overtaken };
      oldest ??= { job, stage, overtaken: [] };
      isWaiting = true;
    }
    if (!isWaiting) continue;
    if (job.overtaken >= overtakesMax) break;
    overtaken.push(job);
  }
  return oldest;
}
