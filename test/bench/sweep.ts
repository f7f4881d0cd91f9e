/**
 * `npm run bench:sweep`: what one round of the sweeper costs on SQLite, with the same number of jobs due among 1,000,
 * 100,000 and 1,000,000. It should hang on what is due, not on the table. Keys of the last line: due,
 * sweep_ms_1k, sweep_ms_100k, sweep_ms_1m (medians of a round that handles them), sweep_ratio_100k, sweep_ratio_1m (to
 * the round at 1,000), idle_ms_1k, idle_ms_1m (a round with nothing due).
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { jobItem } from "#functions/apply.ts";
import { sweep } from "#functions/sweep/sweep.ts";
import { openSqliteStore, type SqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { FLEET } from "#shared/domain/budget.ts";
import { decide } from "#shared/domain/decide.ts";
import { newId } from "#shared/domain/id.ts";
import { newJob, type Job } from "#shared/domain/job.ts";
import { RING_AGAIN_MS_MAX, TRANSACTION_WRITES_MAX } from "#shared/domain/limits.ts";
import { Options } from "#shared/domain/options.ts";
import { createLog } from "#shared/log.ts";

const HELP = `Usage: npm run bench:sweep -- [options]

  --due N      jobs that are due in every round (200)
  --rounds N   rounds measured of each kind and size (15)
  --sizes A,B  jobs in the table (1000,100000,1000000); the first is what the others are compared with
  --dir DIR    where the databases lie: 2 GB at a million (a temporary folder)
`;
const START_MS = 1_800_000_000_000;
/** About as long as the record of a job whose stages have run. */
const METADATA = { note: "x".repeat(300) };
/** Rounds before those that count: caches fill. */
const WARM_UP = 3;
/** A sweep reads a page of a shard: more would wait for the next round. */
const DUE_MAX = 800;

const { values } = parseArgs({
  options: {
    due: { type: "string", default: "200" },
    rounds: { type: "string", default: "15" },
    sizes: { type: "string", default: "1000,100000,1000000" },
    dir: { type: "string", default: tmpdir() },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const due = Math.min(Number(values.due), DUE_MAX);
const rounds = Number(values.rounds);
const sizes = values.sizes.split(",").map(Number);
let now = START_MS;
const clock = { now: () => now, sleep: async () => undefined };

/** A job that has just become ready, and one that ended long ago and is kept for another month. */
function jobAt(n: number, isOpen: boolean): Job {
  const id = newId("job", START_MS + n, entropy(10));
  const input = { key: `jobs/${id}/input`, contentType: "image/jpeg", bytes: 5_000_000 };
  const options = Options.parse({ metadata: METADATA });
  const job = newJob({ id, org: `org_${n % 50}`, options, input, uploaded: true }, START_MS);
  if (!isOpen)
    return { ...decide(job, { type: "cancel-asked" }, START_MS).job, discarded: true, status: "succeeded" };
  const stages = job.stages.map((stage, i) =>
    i === 0 ? { ...stage, status: "ready" as const, readyAt: START_MS, rings: 9, ringAt: START_MS } : stage,
  );
  // It must not end while it is swept: its last instant is far off.
  return { ...job, intake: { ...job.intake, status: "done" }, stages, finishBy: START_MS * 2 };
}

async function fill(store: SqliteStore, size: number): Promise<void> {
  for (let n = 0; n < size; n += TRANSACTION_WRITES_MAX) {
    const items = Array.from({ length: Math.min(TRANSACTION_WRITES_MAX, size - n) }, (_, i) =>
      jobItem(jobAt(n + i, n + i < due)),
    );
    await store.transact(items.map((item) => ({ op: "put", item, when: "absent" })));
  }
}

interface Table {
  readonly size: number;
  readonly store: SqliteStore;
  readonly busyMs: number[];
  readonly idleMs: number[];
}

/** @returns milliseconds. */
async function round(store: SqliteStore, handledWanted: number): Promise<number> {
  const log = createLog({ level: "warn", write: (line) => void process.stderr.write(line), now: clock.now });
  const doors = { store, clock, entropy, log, policy: FLEET, perform: async () => undefined };
  const startedAt = performance.now();
  // Nothing that is due here has to do with objects or money.
  const handled = await sweep(doors as unknown as Parameters<typeof sweep>[0]);
  const ms = performance.now() - startedAt;
  if (handled !== handledWanted) throw new Error(`${handled} items were handled, not ${handledWanted}`);
  return ms;
}

function median(all: readonly number[]): number {
  return all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN;
}

const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));
const short = (size: number): string => (size >= 1e6 ? `${size / 1e6}m` : `${size / 1e3}k`);

const folder = await mkdtemp(join(values.dir, "photokeep-sweep-"));
await using closing = new AsyncDisposableStack();
closing.defer(() => rm(folder, { recursive: true, force: true }));
const tables: Table[] = [];
for (const size of sizes) {
  const path = join(folder, `${size}.db`);
  const store = closing.use(await openSqliteStore({ path, clock, entropy }));
  const startedAt = performance.now();
  await fill(store, size);
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const megabytes = Math.round((await stat(path)).size / 1e6);
  process.stdout.write(`${size} jobs, ${due} of them due: ${megabytes} MB, filled in ${seconds} s\n`);
  tables.push({ size, store, busyMs: [], idleMs: [] });
}
// In turns, so that whatever else the machine does meets all sizes alike.
for (let n = 0; n < WARM_UP + rounds; n += 1) {
  now += RING_AGAIN_MS_MAX;
  for (const { store, busyMs, idleMs } of tables) {
    const busy = await round(store, due);
    const idle = await round(store, 0);
    if (n < WARM_UP) continue;
    busyMs.push(busy);
    idleMs.push(idle);
  }
}
const [first] = tables;
const figures: Record<string, number> = { due };
for (const { size, busyMs, idleMs } of tables) {
  figures[`sweep_ms_${short(size)}`] = rounded(median(busyMs));
  figures[`idle_ms_${short(size)}`] = rounded(median(idleMs));
  if (first !== undefined && size !== first.size)
    figures[`sweep_ratio_${short(size)}`] = rounded(median(busyMs) / median(first.busyMs));
}
process.stdout.write(`${JSON.stringify(figures)}\n`);
