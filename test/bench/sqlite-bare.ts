/** The load of `bench:sqlite` by one process that has the file to itself and talks to `node:sqlite` directly. */
import { DatabaseSync } from "node:sqlite";
import type { Job } from "#shared/domain/job.ts";
import type { Draft } from "#shared/ports.ts";
import { keyOfJob, keyOfOrg, movedJob, rowDraft, steps } from "./sqlite-load.ts";

/**
 * Does the same transactions on the same tables, on a file that the adapter has made and filled.
 * @returns transactions per second.
 */
export function runBare(
  path: string,
  ask: { readonly transactions: number; readonly synchronous: string },
): number {
  using database = new DatabaseSync(path);
  database.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${ask.synchronous}; PRAGMA cache_size = -16384`,
  );
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  const read = database.prepare("SELECT * FROM item WHERE pk = ? AND sk = ?");
  const look = database.prepare("SELECT rev, indexes FROM item WHERE pk = ? AND sk = ?");
  const put = database.prepare(
    "INSERT OR REPLACE INTO item (pk, sk, rev, counters, indexes, body) VALUES (?, ?, ?, '{}', ?, ?)",
  );
  const count = database.prepare("SELECT counters FROM item WHERE pk = ? AND sk = ?");
  const add = database.prepare("UPDATE item SET counters = ? WHERE pk = ? AND sk = ?");
  const leave = database.prepare(
    "DELETE FROM nomination WHERE name = ? AND index_pk = ? AND index_sk = ? AND pk = ? AND sk = ?",
  );
  const enter = database.prepare("INSERT INTO nomination VALUES (?, ?, ?, ?, ?)");

  function write({ pk, sk, body, indexes = {} }: Draft): void {
    const row = look.get(pk, sk);
    const old = JSON.parse(String(row?.["indexes"] ?? "{}")) as NonNullable<Draft["indexes"]>;
    for (const [name, entry] of Object.entries(old)) leave.run(name, entry.pk, entry.sk, pk, sk);
    for (const [name, entry] of Object.entries(indexes)) enter.run(name, entry.pk, entry.sk, pk, sk);
    put.run(pk, sk, Number(row?.["rev"] ?? 0) + 1, JSON.stringify(indexes), JSON.stringify(body));
  }

  const startedAt = performance.now();
  let done = 0;
  for (const step of steps(0)) {
    if (done === ask.transactions) break;
    done += 1;
    if ("org" in step) {
      const { pk, sk } = keyOfOrg(step.org);
      begin.run();
      const { n } = JSON.parse(String(count.get(pk, sk)?.["counters"])) as { n: number };
      add.run(JSON.stringify({ n: n + 1 }), pk, sk);
    } else {
      const { pk, sk } = keyOfJob(step.job);
      const row = read.get(pk, sk);
      const moved = movedJob(JSON.parse(String(row?.["body"])) as Job, Number(row?.["rev"]));
      begin.run();
      write(moved);
      for (let i = 0; i < step.rows; i++) write(rowDraft(step.job, `${done}.${i}`));
    }
    commit.run();
  }
  return ask.transactions / ((performance.now() - startedAt) / 1_000);
}
