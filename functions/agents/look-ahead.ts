import { loadJob } from "../apply.ts";
import type { AgentRecord } from "./agent-item.ts";
import { readPlan } from "./lease-offer.ts";
import { isTerminal, readyPartition, timeKey, type Job } from "#shared/domain/job.ts";
import { INDEX_SHARDS } from "#shared/domain/limits.ts";
import type { JobAhead, Run } from "#shared/domain/message.ts";
import { stagesAhead } from "#shared/domain/stage-models.ts";
import type { Clock, Entropy, Store } from "#shared/ports.ts";

interface AheadDoors {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/** Jobs looked at: as many as a pool can prepare for. */
const ROWS_MAX = 8;
/** The first few of several shards come nearer to the oldest of all than many of one. */
const SHARD_ROWS_MAX = 2;
/** The beat that waits for it keeps leases: nothing further is read after this. */
const READING_MS_MAX = 500;

/**
 * The jobs that wait and that this agent could be given next, about the oldest, with their stages that are still to come.
 * Reads at most INDEX_SHARDS pages of the index and ROWS_MAX jobs with their plans. Never throws: it is advice, and
 * answers what it could read.
 * @param runs what the agent runs already.
 */
export async function lookAhead(
  doors: AheadDoors,
  { can }: Pick<AgentRecord, "can">,
  runs: readonly Pick<Run, "job">[],
): Promise<JobAhead[]> {
  const { store, clock } = doors;
  const until = clock.now() + READING_MS_MAX;
  const ahead: JobAhead[] = [];
  try {
    for (const jobId of await oldestReady(doors, until)) {
      if (clock.now() > until) break;
      if (runs.some((run) => run.job === jobId)) continue;
      const { job } = await loadJob(store, jobId);
      if (!isOfferable(job, can)) continue;
      const planned = await readPlan(store, jobId);
      const known = planned === undefined ? {} : { analysis: planned.analysis };
      ahead.push({ job: jobId, stages: stagesAhead({ job, can, ...known }) });
    }
  } catch {
    // The store is busy, or a job was erased meanwhile: the next look reads anew.
  }
  return ahead;
}

/** From a shard drawn by chance on, as claims do, so that the looks of a fleet spread. */
async function oldestReady({ store, clock, entropy }: AheadDoors, until: number): Promise<string[]> {
  const rows: { job: string; at: string }[] = [];
  const first = (entropy(1)[0] ?? 0) % INDEX_SHARDS;
  // Without the jobs that pause after a failed try.
  const upTo = timeKey(clock.now() + 1);
  for (let i = 0; i < INDEX_SHARDS && rows.length < ROWS_MAX && clock.now() <= until; i++) {
    const page = await store.nominate("ready", readyPartition((first + i) % INDEX_SHARDS), {
      limit: Math.min(SHARD_ROWS_MAX, ROWS_MAX - rows.length),
      upTo,
    });
    rows.push(...page.rows.map(({ pk, at }) => ({ job: pk.slice("JOB#".length), at })));
  }
  return rows.toSorted((a, b) => (a.at < b.at ? -1 : 1)).map(({ job }) => job);
}

/** The index lags behind: what it names may be leased or over by now, and not every agent can run every stage. */
function isOfferable(job: Job, can: AgentRecord["can"]): boolean {
  if (isTerminal(job.status)) return false;
  const next = job.stages.find(({ status }) => status === "ready");
  if (next === undefined || !can.stages.includes(next.kind)) return false;
  return next.model === undefined || can.models.includes(next.model);
}
