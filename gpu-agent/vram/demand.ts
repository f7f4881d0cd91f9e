/** A stage that waits to be run. */
export interface StageDemand {
  readonly id: string;
  /** Its model's place in `PoolState.models`. */
  readonly model: number;
  /** Memory its run takes beside the model's, by its tile size. */
  readonly activationBytes: number;
  /** Whether the stages it needs are finished. */
  readonly isReady: boolean;
}

/** A job that is queued or running: a doorbell, and the part of its plan that is still to be done. */
export interface JobDemand {
  readonly id: string;
  /** Whether one of its stages runs now; that stage is no longer among `stages`. */
  readonly isRunning: boolean;
  /** What remains, every stage after those it needs. */
  readonly stages: readonly StageDemand[];
  /** How often a stage of a later job was started while this one had a stage ready. Counted by the caller, from `run`. */
  readonly overtaken: number;
}

/** What is known of the future: the jobs in the order they arrived. A decision takes time linear in their stages. */
export type Demand = readonly JobDemand[];
