/** One stage of a job in a simulated workload. */
interface WorkStage {
  /** Its model's place in the catalogue. */
  readonly model: number;
  /** How long it runs once its model is loaded, seconds. */
  readonly runSeconds: number;
}

export interface WorkJob {
  /** Seconds since the start; jobs are ordered by it. */
  readonly arrivesAt: number;
  readonly stages: readonly WorkStage[];
}

export interface WorkModel {
  readonly id: string;
  readonly gigabytes: number;
  /** From the prepared file in memory, and from disk or the blob store, seconds. */
  readonly warmSeconds: number;
  readonly coldSeconds: number;
  /** Until the memory of an evicted one is back; at once unless given. */
  readonly releaseSeconds?: number;
}

export interface Workload {
  readonly models: readonly WorkModel[];
  readonly jobs: readonly WorkJob[];
  /** Activation memory of every stage. */
  readonly activationGigabytes: number;
}
