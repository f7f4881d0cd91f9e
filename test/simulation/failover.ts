/** How long a stage waits after its agent's death until another agent has it. */
import type { Job } from "#shared/domain/job.ts";

/** Why a stage waited for something else than being noticed. */
export const EXCUSES = [
  "an engine was down",
  "no slot was free",
  "no detector was left",
  "it was lost twice before",
] as const;
export type Excuse = (typeof EXCUSES)[number];

/** A stage that was taken over. */
export interface Takeover {
  /** From the death of its agent to its next lease. */
  readonly ms: number;
  readonly excuse?: Excuse;
}

export interface Failover {
  /** The agent's process has ended without a word. */
  died(agentId: string): void;
  /** A job as it was just stored. */
  stored(job: Job): void;
  /** To be called every few seconds: where nothing is stored, orphans wait too. */
  look(): void;
  readonly takeovers: readonly Takeover[];
}

/** From then on a stage waits longer and longer, and for an agent that takes nothing else. */
const LOSSES_OF_CAUTION = 2;

interface Orphan {
  readonly epoch: number;
  readonly diedAt: number;
  excuse?: Excuse;
}

export function createFailover(parts: {
  readonly now: () => number;
  readonly jobs: () => ReadonlyMap<string, Job>;
  /** The last moment at which an engine answered nobody. */
  readonly downAt: () => number;
  /** Whether a detector is there now that can be relied on for this stage. */
  readonly isSeen: (jobId: string, stage: Job["stages"][number]) => boolean;
  /** Whether some agent could take this stage now. */
  readonly hasRoom: (stage: Job["stages"][number]) => boolean;
}): Failover {
  const orphans = new Map<string, Orphan>();
  const takeovers: Takeover[] = [];

  /** Whatever keeps an orphan waiting just now keeps it for longer than being noticed takes. */
  function noteWaiting(name: string, orphan: Orphan): void {
    const [id = "", kind] = name.split(" ");
    const stages = parts.jobs().get(id)?.stages;
    const stage = stages?.find((each) => each.kind === kind);
    if (stage?.status === "ready" && !parts.hasRoom(stage)) orphan.excuse ??= "no slot was free";
    if (stage?.status === "leased" && !parts.isSeen(id, stage)) orphan.excuse ??= "no detector was left";
  }

  function look(): void {
    for (const [name, orphan] of orphans) noteWaiting(name, orphan);
  }

  return {
    takeovers,
    look,
    died(agentId) {
      for (const job of parts.jobs().values()) {
        for (const stage of job.stages)
          if (stage.status === "leased" && stage.agent === agentId)
            orphans.set(`${job.id} ${stage.kind}`, { epoch: stage.epoch, diedAt: parts.now() });
      }
    },
    stored(job) {
      if (orphans.size === 0) return;
      look();
      for (const stage of job.stages) {
        const name = `${job.id} ${stage.kind}`;
        const orphan = orphans.get(name);
        if (orphan === undefined) continue;
        if (stage.status === "leased" && stage.epoch > orphan.epoch) {
          orphans.delete(name);
          const isCautious = (stage.tries?.lost ?? 0) >= LOSSES_OF_CAUTION;
          const excuse: Excuse | undefined =
            parts.downAt() >= orphan.diedAt
              ? "an engine was down"
              : isCautious
                ? "it was lost twice before"
                : orphan.excuse;
          takeovers.push({ ms: parts.now() - orphan.diedAt, ...(excuse === undefined ? {} : { excuse }) });
        } else if (stage.status !== "leased" && stage.status !== "ready") orphans.delete(name);
      }
    },
  };
}
