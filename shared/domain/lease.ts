/**
 * What "held" means. A leased stage belongs to its agent exactly as long as the agent lives and says that it runs it.
 * The epoch alone fences writes; holding decides only when somebody else may try (docs/architecture.md, "Leases").
 */
import type { Job } from "./job.ts";
import { HARD_DEADLINE_FACTOR, HARD_DEADLINE_MS, LEASE_GUARD_MS, LEASE_MS } from "./limits.ts";
import type { Run } from "./message.ts";
import type { LeasedStage, StageKind } from "./stage.ts";

/** The agent's item, as its last beat left it. An id is minted per process start and never used again. */
export interface Agent {
  readonly id: string;
  readonly expiresAt: number;
  readonly runs: readonly Run[];
  /** The process is known to have exited (reaped by its parent, or it said goodbye). */
  readonly gone?: true;
}

/** Read the job first, then the agent, both strongly consistent. */
export function isHeld(
  ask: { readonly jobId: string; readonly stage: LeasedStage; readonly agent: Agent | undefined },
  now: number,
): boolean {
  const { jobId, stage, agent } = ask;
  if (agent?.gone === true) return false;
  // Just claimed: the next beat has not had its chance to name it yet.
  if (now - stage.startedAt < LEASE_MS) return true;
  if (agent === undefined || agent.expiresAt + LEASE_GUARD_MS <= now) return false;
  return agent.runs.some((run) => run.job === jobId && run.stage === stage.kind && run.epoch === stage.epoch);
}

/** When a stage that is held is to be looked at again. */
export function nextLook(stage: LeasedStage, agent: Agent | undefined, now: number): number {
  const first = stage.startedAt + LEASE_MS + LEASE_GUARD_MS;
  if (now < first) return first;
  return Math.max(now + LEASE_GUARD_MS, (agent?.expiresAt ?? now) + LEASE_GUARD_MS);
}

/** After so long a try ends, whoever holds it: its hard deadline, counted from its start. */
export function tryMsMax({ measures }: Pick<Job, "measures">, kind: StageKind): number {
  const megapixels = measures === undefined ? 0 : (measures.width * measures.height) / 1e6;
  // The slowest model of the catalogue on a small CPU takes about 150 s a megapixel.
  const seconds = (kind === "upscale" ? 150 : 5) * megapixels;
  return Math.max(HARD_DEADLINE_MS, HARD_DEADLINE_FACTOR * 1_000 * seconds);
}
