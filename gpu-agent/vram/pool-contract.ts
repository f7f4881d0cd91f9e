import type { Clock } from "#shared/ports.ts";
import type { Device } from "./device.ts";
import type { Policy } from "./policy.ts";
import type { PoolEvent } from "./pool-event.ts";
import type { StageLease } from "./leases.ts";
import type { ExpectedJob, StageAsk } from "./pool-queue.ts";
import type { PoolState } from "./pool-state.ts";
import type { PoolTimes } from "./pool-times.ts";

/** A model that the pool may load. */
interface PooledModel {
  readonly id: string;
  readonly isPinned: boolean;
  /** Of its prepared file. */
  readonly fileBytes: number;
}

export interface ModelPoolOptions<Work, Answer> {
  readonly device: Device<Work, Answer>;
  readonly models: readonly PooledModel[];
  readonly policy: Policy;
  /** The device's memory for this agent. */
  readonly deviceBytes: number;
  /**
   * The part of it that is never planned with: the runtime's own, and what releases leave behind. When that is more,
   * memory counts as not come back, and the worker is replaced.
   */
  readonly reserveBytes: number;
  /** Memory of the machine that prepared files may be read into. */
  readonly warmBytesMax: number;
  /** Stages that may run at once. */
  readonly executors: number;
  readonly clock: Clock;
  readonly times?: Partial<PoolTimes>;
  /** Memory of a session, apart from activations; may change as it is measured. */
  bytesOf(model: string): number;
  /** What loading it takes with its file in memory, and without; milliseconds, may change as it is measured. */
  loadMsOf(model: string): { readonly warmMs: number; readonly coldMs: number };
  /** Must not throw. */
  onEvent(event: PoolEvent): void;
}

/** The models of a device, shared by the stages that wait for it. */
export interface ModelPool<Work, Answer> extends AsyncDisposable {
  /** What is known of the future, in order of arrival; replaces what was said before. To be said again when it changes. */
  expect(jobs: readonly ExpectedJob[]): void;
  /**
   * Waits until the stage is started, on one model. Where several wait, the policy says whose turn it is. A stage whose
   * job is not expected comes after those that are.
   * @throws Fault `memory_insufficient` where it can never fit; `model_missing`; `busy` `pool_full`; why its load failed,
   * at once for a model that was barred for that; the signal's reason.
   */
  take(ask: StageAsk, signal: AbortSignal): Promise<StageLease<Work, Answer>>;
  /** Releases what is idle and not pinned; resolves when the memory is back. A step of the ladder when a run lacks memory. */
  evictIdle(): Promise<void>;
  /** Replaces the worker once all leases are back, and with it whatever it has piled up. The ladder's next step. */
  replaceWorker(): Promise<void>;
  /** Tells what was found out about a model's file: whether it is in the memory of the machine. */
  noteFile(model: string, isInMemory: boolean): void;
  state(): PoolState;
}
