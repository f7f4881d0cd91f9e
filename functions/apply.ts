/**
 * load → decide → commit → perform: the only writer of jobs. A commit that loses its revision is decided again from
 * what is stored now; what is owed after a commit is a function of the stored state, so a crash in between loses
 * nothing: the job's own timer brings it back.
 */
import { type Policy } from "#shared/domain/budget.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import { decide } from "#shared/domain/decide.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import {
  jobBreach,
  jobIndexes,
  jobKey,
  owed,
  type Command,
  type Job,
  type JobRow,
} from "#shared/domain/job.ts";
import { readJob } from "#shared/domain/job-schema.ts";
import { CLAIM_AGE_MS_MAX, CONFLICT_TRIES_MAX } from "#shared/domain/limits.ts";
import type { Clock, Draft, Entropy, Store } from "#shared/ports.ts";

export interface ApplyDoors {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly policy: Policy;
  /** Carries out one owed command; its failure is logged, never thrown back: the job's timer repeats it. */
  readonly perform: (command: Command) => Promise<void>;
}

export interface Applied {
  /** As stored after the event. */
  readonly job: Job;
  /** Whether this very call moved it. */
  readonly changed: boolean;
  readonly rows: readonly JobRow[];
}

/** @throws Fault missing `job_missing`; busy `store_busy` when other writers won every try. */
export async function apply(doors: ApplyDoors, jobId: string, event: JobEvent): Promise<Applied> {
  for (let tries = 1; tries <= CONFLICT_TRIES_MAX; tries++) {
    const { job: before, rev } = await loadJob(doors.store, jobId);
    const now = doors.clock.now();
    const { job, rows, owing, timersOnly } = decide(before, event, now, doors.policy);
    if (job === before) {
      // Repeats what a crash may have swallowed. A refused claim has nothing to repeat: it would ring for itself forever.
      if (event.type !== "claimed") await performAll(doors, job, now);
      return { job, changed: false, rows: [] };
    }
    // A claim decided on an old clock would start its lease in the past: decide again.
    if (event.type === "claimed" && doors.clock.now() - now > CLAIM_AGE_MS_MAX) continue;
    const committed = await doors.store.transact([
      { op: "put", item: jobItem(job), when: { rev }, ...(timersOnly ? { keepRev: true as const } : {}) },
      ...rows.map((row) => ({
        op: "put" as const,
        item: { pk: jobKey(jobId).pk, sk: row.sk, body: row.body },
        when: "absent" as const,
      })),
      ...owing.map((item) => ({ op: "put" as const, item, when: "absent" as const })),
    ]);
    if (committed.ok) {
      await performAll(doors, job, now);
      return { job, changed: true, rows };
    }
    await doors.clock.sleep(jitterMs(doors.entropy, tries));
  }
  throw new Fault("busy", "store_busy", "Too much is happening to this job at once; please repeat the call.");
}

/** The job's item as stored, with its indexes derived from its state and its invariants asserted. */
export function jobItem(job: Job): Draft {
  const breach = jobBreach(job);
  invariant(breach === undefined, `${job.id}: ${breach}`);
  return { ...jobKey(job.id), body: job, indexes: jobIndexes(job) };
}

/** @throws Fault missing `job_missing`; conflict `job_damaged`. */
export async function loadJob(store: Store, jobId: string): Promise<{ job: Job; rev: number }> {
  const item = await store.get(jobKey(jobId));
  if (item === undefined) throw new Fault("missing", "job_missing", "There is no such restoration.");
  return { job: readJob(item.body), rev: item.rev };
}

/**
 * For `catch`, where one job must not keep others from going on: of one that is gone, or whose record is damaged, nothing
 * is known. The sweeper puts a damaged one off, and logs an error at every look. @throws any other error.
 */
export function leftToSweeper(error: unknown): undefined {
  if (error instanceof Fault && (error.kind === "missing" || error.code === "job_damaged")) return undefined;
  throw error;
}

async function performAll(doors: ApplyDoors, job: Job, now: number): Promise<void> {
  for (const command of owed(job, now)) await doors.perform(command);
}

function jitterMs(entropy: Entropy, tries: number): number {
  return 1 + ((entropy(1)[0] ?? 0) % (8 * 2 ** tries));
}
