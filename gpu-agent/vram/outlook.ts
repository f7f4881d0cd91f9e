import type { Demand, JobDemand } from "./demand.ts";

/** When each model is needed next, as far as the demand tells. */
export interface Outlook {
  /** Stages that come before its next use, in the expected order; infinite where no use is known. Indexed like `PoolState.models`. */
  readonly nextUse: Float64Array;
  /** Stages known in all. */
  length: number;
}

export function createOutlook(modelCount: number): Outlook {
  return { nextUse: new Float64Array(modelCount), length: 0 };
}

/** Reads the demand once: what runs goes on first, then the jobs as they arrived. Linear in the stages. */
export function readOutlook(outlook: Outlook, demand: Demand): void {
  outlook.nextUse.fill(Infinity);
  outlook.length = 0;
  for (const job of demand) if (job.isRunning) readJob(outlook, job);
  for (const job of demand) if (!job.isRunning) readJob(outlook, job);
}

function readJob(outlook: Outlook, { stages }: JobDemand): void {
  for (const { model } of stages) {
    if (outlook.nextUse[model] === Infinity) outlook.nextUse[model] = outlook.length;
    outlook.length += 1;
  }
}
