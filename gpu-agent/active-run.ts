import type { Lease, Progress, Run } from "#shared/domain/message.ts";

/**
 * A stage this agent holds, from the grant until the control plane has answered its end. A lease is held only while a
 * beat names it, so the list of these is what the agent says of itself.
 */
export interface ActiveRun {
  readonly lease: Lease;
  readonly startedAt: number;
  /** The doorbell to keep hidden meanwhile; absent when the work was asked for. */
  readonly receipt?: string;
  progress?: Progress;
  /** Aborted: the lease is no longer this agent's, and nobody wants to hear of it. */
  readonly dropped: AbortController;
}

export type ActiveRuns = Set<ActiveRun>;

/** The line of a beat. */
export function beatLine({ lease, progress }: ActiveRun): Run {
  const { job, stage, epoch } = lease;
  return progress === undefined ? { job, stage, epoch } : { job, stage, epoch, progress };
}

export function isSameRun(run: ActiveRun, other: Pick<Run, "job" | "stage" | "epoch">): boolean {
  return run.lease.job === other.job && run.lease.stage === other.stage && run.lease.epoch === other.epoch;
}

/** Below this its pace says nothing yet. */
const FRACTION_MIN = 0.05;

/** How long it will go on at its pace so far, milliseconds; infinite while nobody can say. */
export function remainingMs({ startedAt, progress }: ActiveRun, nowMs: number): number {
  const fraction = progress?.fraction ?? 0;
  if (fraction < FRACTION_MIN) return Infinity;
  return ((nowMs - startedAt) * (1 - fraction)) / fraction;
}
