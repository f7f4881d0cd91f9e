/** A model in device memory, from the start of its load until it is evicted; seconds since the start. */
export interface Stay {
  readonly model: number;
  readonly from: number;
  readonly to: number;
}

/** What happened in a simulation. */
export interface SimulationResult {
  readonly jobs: number;
  /** Models in the order they were used. */
  readonly order: readonly number[];
  /** Every load, demanded or ahead of its need. */
  readonly loads: readonly { readonly model: number; readonly seconds: number }[];
  /** Times in which a stage was ready and nothing ran, for want of its model; seconds since the start. */
  readonly stalls: readonly { readonly from: number; readonly to: number }[];
  readonly maxOvertaken: number;
  /** Seconds from a job's arrival to the end of its last stage, ascending. */
  readonly latencies: readonly number[];
  readonly stays: readonly Stay[];
}
