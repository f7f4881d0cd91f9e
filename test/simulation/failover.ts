/** How long a stage waits after its agent's death until another agent has it. */
import type { Job } from "#shared/domain/job.ts";

export interface Failover {
  /** The agent's process has ended without a word. */
  died(agentId: string): void;
  /** A job as it was just stored. */
  stored(job: Job): void;
  /** Milliseconds, where an agent was idle and no engine was down meanwhile. */
  readonly samples: readonly number[];
  /** Takeovers that had to wait for something else than being noticed. */
  readonly excused: number;
}

const LOSSES_OF_CAUTION = 2;

interface Orphan {
  readonly epoch: number;
  readonly diedAt: number;
  /** It had to wait for something else than being noticed. */
  hadToWait: boolean;
}

export function createFailover(parts: {
  readonly now: () => number;
  readonly jobs: () => ReadonlyMap<string, Job>;
  /** The last moment at which an engine was in trouble. */
  readonly troubleAt: () => number;
  /** Whether a detector is there now that can be relied on for this stage. */
  readonly isSeen: (jobId: string, stage: Job["stages"][number]) => boolean;
  /** Whether some agent could take this stage now. */
  readonly hasRoom: (stage: Job["stages"][number]) => boolean;
}): Failover {
  const orphans = new Map<string, Orphan>();
  const samples: number[] = [];
  let excused = 0;
  return {
    samples,
    get excused() {
      return excused;
    },
    died(agentId) {
      for (const job of parts.jobs().values()) {
        for (const stage of job.stages)
          if (stage.status === "leased" && stage.agent === agentId)
            orphans.set(`${job.id} ${stage.kind}`, {
              epoch: stage.epoch,
              diedAt: parts.now(),
              hadToWait: false,
            });
      }
    },
    stored(job) {
      if (orphans.size === 0) return;
      for (const [name, orphan] of orphans) {
        const [id = "", kind] = name.split(" ");
        const stage = parts
          .jobs()
          .get(id)
          ?.stages.find((each) => each.kind === kind);
        if (stage?.status === "ready" && !parts.hasRoom(stage)) orphan.hadToWait = true;
        if (stage?.status === "leased" && !parts.isSeen(id, stage)) orphan.hadToWait = true;
      }
      for (const stage of job.stages) {
        const name = `${job.id} ${stage.kind}`;
        const orphan = orphans.get(name);
        if (orphan === undefined) continue;
        if (stage.status === "leased" && stage.epoch > orphan.epoch) {
          orphans.delete(name);
          // After two losses a stage waits longer and longer, and for an agent that takes nothing else.
          const isCautious = (stage.tries?.lost ?? 0) >= LOSSES_OF_CAUTION;
          if (isCautious || orphan.hadToWait || parts.troubleAt() >= orphan.diedAt) excused += 1;
          else samples.push(parts.now() - orphan.diedAt);
        } else if (stage.status !== "leased" && stage.status !== "ready") orphans.delete(name);
      }
    },
  };
}
