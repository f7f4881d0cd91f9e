import type { JobDemand, StageDemand } from "./demand.ts";

/** Which stage an action serves. */
interface StageOf {
  readonly job: JobDemand;
  readonly stage: StageDemand;
}

/** Starts the release of an idle model; `forModel` says which one wants its memory. */
export interface Evict {
  readonly kind: "evict";
  readonly model: number;
  readonly forModel: number;
}

/** Opens a model for the stage that is next; its memory is free now. */
interface Load extends StageOf {
  readonly kind: "load";
  readonly model: number;
}

/**
 * Brings a model nearer before its stage is next: `hot` opens it while something else runs, and its memory is free now;
 * `warm` reads its prepared file into memory, beside whatever else is loaded.
 */
interface Prefetch {
  readonly kind: "prefetch";
  readonly model: number;
  readonly to: "hot" | "warm";
}

/** Lets a prepared file leave the memory of the machine, where it is not needed and others are. */
interface Cool {
  readonly kind: "cool";
  readonly model: number;
}

/** Starts a stage: its model is loaded and its activations fit. */
export interface Run extends StageOf {
  readonly kind: "run";
  /** Jobs that arrived earlier and had a stage ready: each is overtaken once more. */
  readonly overtaken: readonly JobDemand[];
}

/**
 * Nothing more can be done before something changes: the end of a run or a lease (`leased`), of a load (`loading`), of
 * a release (`draining`), the replacement of the worker (`poisoned`), or the arrival of work (`demand`).
 */
export interface Wait {
  readonly kind: "wait";
  readonly until: "leased" | "loading" | "draining" | "poisoned" | "demand";
}

/** This stage can never run here, or not for now. */
export interface Reject extends StageOf {
  readonly kind: "reject";
  readonly reason: "too-large" | "barred";
  readonly modelId: string;
  /** The model and the stage's activations. */
  readonly needBytes: number;
  /** What there is beside the reserve and the pinned models. */
  readonly budgetBytes: number;
}

export type Action = Evict | Load | Prefetch | Cool | Run | Wait | Reject;
