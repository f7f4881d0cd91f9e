/**
 * A device that models are opened on, as the pool sees it: one worker process that owns every session. Failures are
 * Faults; `device_failed` alone means that the session, and with it the worker, must not be used any more.
 */
export interface Device<Work, Answer> {
  /** Opens a model's session. @throws Fault `memory_exhausted`, `model_invalid`, `device_failed`; the signal's reason. */
  open(model: string, signal: AbortSignal): Promise<OpenModel<Work, Answer>>;
  /** Reads a model's prepared file into memory of the machine. @throws Fault; the signal's reason. */
  warm(model: string, signal: AbortSignal): Promise<void>;
  /** Lets a model's file leave the memory of the machine; how soon it does is the system's affair. */
  cool(model: string): void;
  /** Device memory that the worker holds now, as the device says it, bytes; undefined while it cannot say. */
  heldBytes(signal: AbortSignal): Promise<number | undefined>;
  /** Ends the worker with everything it holds; resolves when another is ready. What was under way rejects. */
  recycle(signal: AbortSignal): Promise<void>;
}

/** A session on the device. */
export interface OpenModel<Work, Answer> {
  /** What opening it took, as measured; absent where the device cannot say. */
  readonly bytes?: number;
  /** @throws Fault `memory_exhausted`, `model_invalid`, `device_failed`; the signal's reason. */
  run(work: Work, signal: AbortSignal): Promise<RunAnswer<Answer>>;
  /** Resolves when the runtime has let go; the memory may come back later. @throws Fault `device_failed`. */
  release(signal: AbortSignal): Promise<void>;
}

export interface RunAnswer<Answer> {
  readonly answer: Answer;
  /** The most that the run took beside the session, bytes; absent where the device cannot say. */
  readonly peakBytes?: number;
}
