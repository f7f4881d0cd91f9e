/** What the parts of a simulation know of each other. */
import type { Policy } from "#shared/domain/budget.ts";
import type { CompleteAsk } from "#shared/domain/message.ts";
import type { Log } from "#shared/log.ts";
import type { BlobEngine } from "./blob-engine.ts";
import type { Checker } from "./checker.ts";
import type { HeldRun } from "./check-held.ts";
import type { ControlInstance } from "./control-instance.ts";
import type { Draws } from "./draws.ts";
import type { DrainTimes } from "./drain-times.ts";
import type { Failover } from "./failover.ts";
import type { Fates } from "./fates.ts";
import type { MoneyOutside } from "./money-doors.ts";
import type { Network } from "./network.ts";
import type { Rates, Shape } from "./profile.ts";
import type { QueueEngine } from "./queue-engine.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { Sometimes } from "./sometimes.ts";
import type { StoreEngine } from "./store-engine.ts";
import type { Trace } from "./trace.ts";
import type { Loop } from "./virtual-time.ts";

export interface World {
  readonly startMs: number;
  readonly loop: Loop;
  readonly network: Network;
  readonly trace: Trace;
  readonly policy: Policy;
  readonly shape: Shape;
  readonly engines: {
    readonly store: StoreEngine;
    readonly queue: QueueEngine;
    readonly deadLetters: QueueEngine;
    readonly blobs: BlobEngine;
  };
  readonly money: MoneyOutside;
  readonly fates: Fates;
  readonly checker: Checker;
  readonly failover: Failover;
  readonly drains: DrainTimes;
  readonly sometimes: Sometimes;
  /** The stream of chance for this purpose. */
  draws(purpose: string): Draws;
  /** What may go wrong now; nothing any more once the faults have stopped. */
  rates(): Rates;
  logOf(process: SimulatedProcess): Log;
  /** Any instance of the control plane that lives; none while all are being replaced. */
  anyControl(): ControlInstance | undefined;
  /** Ends a process at once; another takes its place. */
  kill(process: SimulatedProcess): void;
  /** Something happened that no fault explains. */
  bug(what: string, error?: unknown): void;
  /** A customer knows that this job was taken. */
  accepted(jobId: string): void;
  /** The run is not over before this is. */
  track(work: Promise<unknown>): Promise<void>;
  /** A call to the control plane was done. */
  answered(op: string, value: unknown, isLost: boolean): void;
  /** A call to the control plane was answered after so long. */
  took(op: string, ms: number): void;
  /** A failed or released try was reported and accepted. */
  reported(run: HeldRun): void;
  /** A finished stage was reported. */
  worked(ask: CompleteAsk, isAccepted: boolean): void;
}
