/** How long an agent that is told to end still holds what it ran. */
import type { Job } from "#shared/domain/job.ts";

export interface DrainTimes {
  /** The agent was told to end; absent: it is not known yet, and holds nothing. */
  noticed(agentId: string | undefined): void;
  /** A job as it was just stored. */
  stored(job: Job): void;
  /** Milliseconds, of each agent that held something. */
  readonly samples: readonly number[];
}

export function createDrainTimes(parts: {
  readonly now: () => number;
  readonly jobs: () => ReadonlyMap<string, Job>;
}): DrainTimes {
  const { now } = parts;
  /** By agent: since when, and the stages it holds. */
  const drains = new Map<string, { readonly since: number; readonly held: Set<string> }>();
  const samples: number[] = [];
  return {
    samples,
    noticed(agentId) {
      if (agentId === undefined) return;
      const held = new Set<string>();
      for (const job of parts.jobs().values())
        for (const stage of job.stages)
          if (stage.status === "leased" && stage.agent === agentId) held.add(`${job.id} ${stage.kind}`);
      if (held.size > 0) drains.set(agentId, { since: now(), held });
    },
    stored(job) {
      for (const [agentId, { since, held }] of drains) {
        for (const stage of job.stages) {
          const name = `${job.id} ${stage.kind}`;
          if (stage.status === "leased" && stage.agent === agentId) held.add(name);
          else held.delete(name);
        }
        if (held.size > 0) continue;
        drains.delete(agentId);
        samples.push(now() - since);
      }
    },
  };
}
