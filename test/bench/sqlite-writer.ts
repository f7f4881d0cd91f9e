/**
 * A process of `bench:sqlite`: `sqlite-writer.ts <store file> <number> <lanes> <process|power>`. Says "ready", is told
 * how long, and answers with its `Tally`.
 */
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import type { Job } from "#shared/domain/job.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Store, Write } from "#shared/ports.ts";
import { JOBS, keyOfJob, keyOfOrg, movedJob, ORGS, rowDraft, type Step, steps } from "./sqlite-load.ts";

export interface Span {
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

/** What one process did. Commits count from the very start; everything else within the measured span alone. */
export interface Tally {
  readonly transactions: number;
  /** Transactions refused because another one had moved the job in between. */
  readonly refused: number;
  /** Milliseconds of single calls, from the smallest to the greatest, thinned to a thousand. */
  readonly waits: readonly number[];
  readonly loopGapMs: number;
  /** Calls that threw, by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Commits by number of job, additions by number of organisation, and rows. */
  readonly jobs: readonly number[];
  readonly orgs: readonly number[];
  readonly rows: number;
}

const LOOP_RESOLUTION_MS = 1;
const WAITS_TOLD = 1_000;

const [path = "", number = "", lanes = "", survives = ""] = process.argv.slice(2);
const say = (message: unknown): void => void process.send?.(message);

await using store = await openSqliteStore({
  path,
  clock: systemClock,
  entropy: systemEntropy,
  survives: survives === "power" ? "power" : "process",
});
say("ready");
const [span] = (await once(process, "message")) as [Span];
say(await load(store, span));
process.disconnect();

async function load(store: Store, { warmUpMs, measuredMs }: Span): Promise<Tally> {
  const jobs = Array.from({ length: JOBS }, () => 0);
  const orgs = Array.from({ length: ORGS }, () => 0);
  const errors: Record<string, number> = {};
  const waits: number[] = [];
  let [rows, transactions, refused] = [0, 0, 0];
  const from = performance.now() + warmUpMs;
  const to = from + measuredMs;

  async function timed<T>(call: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await call();
    } finally {
      if (startedAt >= from) waits.push(performance.now() - startedAt);
    }
  }

  async function writesOf(step: Step, name: string): Promise<readonly Write[]> {
    if ("org" in step) return [{ op: "add", key: keyOfOrg(step.org), add: { n: 1 } }];
    const item = await timed(() => store.get(keyOfJob(step.job)));
    if (item === undefined) throw new Error(`job ${step.job} is gone`);
    const { rev } = item;
    const put: Write = { op: "put", item: movedJob(item.body as Job, rev), when: { rev } };
    const beside = Array.from({ length: step.rows }, (_, i): Write => {
      return { op: "put", item: rowDraft(step.job, `${name}.${i}`), when: "absent" };
    });
    return [put, ...beside];
  }

  async function perform(step: Step, name: string): Promise<void> {
    const writes = await writesOf(step, name);
    const committed = await timed(() => store.transact(writes));
    const now = performance.now();
    const measured = now >= from && now < to;
    if (!committed.ok) {
      if (measured) refused += 1;
      return;
    }
    if (measured) transactions += 1;
    if ("org" in step) {
      orgs[step.org] = (orgs[step.org] ?? 0) + 1;
    } else {
      jobs[step.job] = (jobs[step.job] ?? 0) + 1;
      rows += step.rows;
    }
  }

  async function lane(seed: number): Promise<void> {
    let done = 0;
    for (const step of steps(seed)) {
      if (performance.now() >= to) return;
      try {
        await perform(step, `${seed}.${(done += 1)}`);
      } catch (error) {
        const code =
          error instanceof Fault ? error.code : String((error as NodeJS.ErrnoException).code ?? error);
        errors[code] = (errors[code] ?? 0) + 1;
      }
    }
  }

  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const warm = setTimeout(warmUpMs).then(() => loop.reset());
  await Promise.all(Array.from({ length: Number(lanes) }, (_, i) => lane(Number(number) * 1_000 + i)));
  await warm;
  // The loop turns once more: a process that never let it turn has stood still to this very moment.
  await setTimeout(2 * LOOP_RESOLUTION_MS);
  loop.disable();
  waits.sort((a, b) => a - b);
  const told = Array.from({ length: WAITS_TOLD }, (_, i) => {
    return waits[Math.round((i / (WAITS_TOLD - 1)) * (waits.length - 1))] ?? 0;
  });
  const loopGapMs = Math.max(0, loop.max / 1e6 - LOOP_RESOLUTION_MS);
  return { transactions, refused, waits: told, loopGapMs, errors, jobs, orgs, rows };
}
