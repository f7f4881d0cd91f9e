import { openSqliteStore, type SqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { DUE_CLASSES, duePartition, jobKey, type Job } from "#shared/domain/job.ts";
import { INDEX_SHARDS, PAGE_ROWS_MAX } from "#shared/domain/limits.ts";
import type { Stage } from "#shared/domain/stage.ts";

/** The store's own word on who holds what, read beside the stack that writes it. */
export interface StoredLeases extends AsyncDisposable {
  /** Jobs that have not ended. */
  openJobs(): Promise<Job[]>;
  stage(job: string, kind: string): Promise<Stage | undefined>;
}

/** @param path of a database that is there. */
export async function openStoredLeases(path: string): Promise<StoredLeases> {
  const store: SqliteStore = await openSqliteStore({ path, clock, entropy, readOnly: true });
  const load = async (id: string): Promise<Job | undefined> =>
    (await store.get(jobKey(id)))?.body as Job | undefined;
  return {
    async openJobs() {
      const jobs: Job[] = [];
      for (const dueClass of DUE_CLASSES.filter((each) => each === "lease" || each === "ring")) {
        for (let shard = 0; shard < INDEX_SHARDS; shard += 1) {
          const { rows } = await store.nominate("due", duePartition(dueClass, shard), {
            limit: PAGE_ROWS_MAX,
          });
          for (const { pk } of rows.filter(({ sk }) => sk === "JOB")) {
            const job = await load(pk.slice("JOB#".length));
            if (job !== undefined) jobs.push(job);
          }
        }
      }
      return jobs;
    },
    stage: async (job, kind) => (await load(job))?.stages.find((each) => each.kind === kind),
    [Symbol.asyncDispose]: () => store.close(),
  };
}
