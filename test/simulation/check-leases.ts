/** What is leased is worked on, or taken away in time; what is worked on is not taken away (8). */
import type { Job } from "#shared/domain/job.ts";
import type { Stage } from "#shared/domain/stage.ts";
import type { StandingAgent } from "./agent-place.ts";
import type { Checker } from "./checker.ts";

/** The longest way of either detector, an answer lost on it; outside outages. */
const ORPHANED_MS_MAX = 150_000;
/** A fault explains a lost lease for so long. */
const EXCUSED_MS = 300_000;

export interface LeaseCheck {
  /** To be called every few seconds: stages leased to nobody. */
  readonly orphans: () => void;
  /** A job as it was and as it is now stored: stages that were taken from a living agent to which nothing had happened. */
  readonly stored: (before: Job | undefined, after: Job) => void;
}

export function createLeaseCheck(parts: {
  readonly checker: Checker;
  readonly now: () => number;
  readonly agents: () => readonly StandingAgent[];
  /** The last moment at which an engine was in trouble. */
  readonly troubleAt: () => number;
  /** The last moment at which a fault was done to the control plane or a sweeper. */
  readonly controlFaultAt: () => number;
  /** Whether a detector is there now that can be relied on for this stage. */
  readonly isSeen: (jobId: string, stage: Stage) => boolean;
}): LeaseCheck {
  const { checker, now } = parts;
  /** Since when the stage of this epoch has had nobody. */
  const alone = new Map<string, number>();

  function hasHolder(job: string, stage: Stage): boolean {
    const agent = parts.agents().find(({ id }) => id === stage.agent);
    if (agent === undefined || !agent.process.isAlive) return false;
    // An agent that stands still or is cut off may come back to it.
    const isAway = agent.process.isPaused || agent.process.cutOffUntil > now();
    return (
      isAway ||
      agent.workers.some(
        ({ lease }) => lease?.job === job && lease.stage === stage.kind && lease.epoch === stage.epoch,
      )
    );
  }

  return {
    orphans() {
      const seen = new Set<string>();
      for (const job of checker.open.values()) {
        for (const stage of job.stages) {
          if (stage.status !== "leased" || hasHolder(job.id, stage)) continue;
          const name = `${job.id} ${stage.kind} ${stage.epoch}`;
          seen.add(name);
          const since = alone.get(name);
          if (since === undefined || parts.troubleAt() > since || !parts.isSeen(job.id, stage))
            alone.set(name, now());
          else if (now() - since > ORPHANED_MS_MAX)
            checker.breach(8, `${name} was leased to nobody for ${Math.round((now() - since) / 1000)} s`);
        }
      }
      for (const name of alone.keys()) if (!seen.has(name)) alone.delete(name);
    },
    stored(before, after) {
      for (const [i, stage] of after.stages.entries()) {
        const was = before?.stages[i];
        if (was?.status !== "leased" || (stage.tries?.lost ?? 0) <= (was.tries?.lost ?? 0)) continue;
        const agent = parts.agents().find((each) => each.id === was.agent);
        if (agent === undefined || !agent.process.isAlive || agent.process.isPaused) continue;
        const lastFaultAt = Math.max(
          agent.process.faultAt,
          agent.process.cutOffUntil,
          parts.troubleAt(),
          parts.controlFaultAt(),
        );
        if (lastFaultAt >= (was.startedAt ?? 0) - EXCUSED_MS) continue;
        checker.breach(
          8,
          `${after.id} ${stage.kind} was taken from ${agent.process.name}, to which nothing had happened`,
        );
      }
    },
  };
}
