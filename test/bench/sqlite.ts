/**
 * `npm run bench:sqlite`: job transactions per second on one database file that several processes share, how long a
 * call waits at worst, and how long an event loop stands still at worst. At the end every commit is accounted for: one
 * that was lost, or a file that is not sound, is an error. Keys of the last line: tx_per_s, longest_wait_ms,
 * loop_gap_ms, p99_wait_ms, errors, ratio_to_bare.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { runBare } from "./sqlite-bare.ts";
import { firstItems, keyOfJob, keyOfOrg } from "./sqlite-load.ts";
import type { Span, Tally } from "./sqlite-writer.ts";

const HELP = `Usage: npm run bench:sqlite -- [options]

  --processes N    writing processes on one file (4)
  --lanes N        transactions that each of them has under way at once (4)
  --seconds N      how long is measured (10)
  --survives WHAT  what a commit survives: process (kill -9) or power (process)
  --dir DIR        where the database lies (a temporary folder)
`;
const WARM_UP_MS = 2_000;
const FIRST_ITEMS_AT_ONCE = 50;
const WRITER = fileURLToPath(new URL("./sqlite-writer.ts", import.meta.url));

const { values } = parseArgs({
  options: {
    processes: { type: "string", default: "4" },
    lanes: { type: "string", default: "4" },
    seconds: { type: "string", default: "10" },
    survives: { type: "string", default: "process" },
    dir: { type: "string", default: tmpdir() },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const survives = values.survives === "power" ? "power" : "process";

async function fill(path: string): Promise<void> {
  await using store = await openSqliteStore({ path, clock: systemClock, entropy: systemEntropy });
  const writes = firstItems().map((item) => ({ op: "put" as const, item, when: "absent" as const }));
  for (let i = 0; i < writes.length; i += FIRST_ITEMS_AT_ONCE) {
    await store.transact(writes.slice(i, i + FIRST_ITEMS_AT_ONCE));
  }
}

async function nextMessage<T>(child: ChildProcess): Promise<T> {
  const died = once(child, "exit").then(() => Promise.reject(new Error("a writer ended before it answered")));
  const [message] = (await Promise.race([once(child, "message"), died])) as [T];
  return message;
}

async function measure(path: string, span: Span): Promise<Tally[]> {
  const children = Array.from({ length: Number(values.processes) }, (_, i) =>
    fork(WRITER, [path, String(i), values.lanes, survives]),
  );
  const ended = children.map((child) => once(child, "exit"));
  try {
    await Promise.all(children.map((child) => nextMessage<"ready">(child)));
    const tallies = children.map((child) => nextMessage<Tally>(child));
    for (const child of children) child.send(span);
    const told = await withProgress(Promise.all(tallies), span);
    await Promise.all(ended);
    return told;
  } finally {
    for (const child of children) child.kill();
  }
}

async function withProgress<T>(work: Promise<T>, { warmUpMs, measuredMs }: Span): Promise<T> {
  if (!process.stderr.isTTY) return work;
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const share = (performance.now() - startedAt) / (warmUpMs + measuredMs);
    process.stderr.write(`\r${Math.min(100, Math.round(share * 100))} %`);
  }, 500);
  return work.finally(() => {
    clearInterval(timer);
    process.stderr.write("\r");
  });
}

/** Every commit that a process was told of is there, and nothing else is. */
function account(path: string, tallies: readonly Tally[]): void {
  using database = new DatabaseSync(path);
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((all, tally) => all + of(tally), 0);
  const expectEqual = (what: string, found: unknown, expected: number): void => {
    if (found !== expected) throw new Error(`${what}: ${String(found)} instead of ${expected}`);
  };
  const item = database.prepare("SELECT rev, counters ->> 'n' AS n FROM item WHERE pk = ? AND sk = ?");
  const [first] = tallies;
  for (const n of first?.jobs.keys() ?? []) {
    const { pk, sk } = keyOfJob(n);
    expectEqual(`revision of ${pk}`, item.get(pk, sk)?.["rev"], 1 + sum(({ jobs }) => jobs[n] ?? 0));
  }
  for (const n of first?.orgs.keys() ?? []) {
    const { pk, sk } = keyOfOrg(n);
    expectEqual(
      `counter of ${pk}`,
      item.get(pk, sk)?.["n"],
      sum(({ orgs }) => orgs[n] ?? 0),
    );
  }
  const rows = database.prepare("SELECT count(*) AS n FROM item WHERE sk LIKE 'ROW#%'").get();
  expectEqual(
    "rows",
    rows?.["n"],
    sum(({ rows }) => rows),
  );
  const sound = database.prepare("PRAGMA integrity_check").get();
  if (sound?.["integrity_check"] !== "ok") throw new Error(`the file is damaged: ${JSON.stringify(sound)}`);
}

function report(tallies: readonly Tally[], seconds: number, barePerSecond: number): void {
  const perSecond = tallies.map(({ transactions }) => transactions / seconds);
  const total = perSecond.reduce((all, each) => all + each, 0);
  const waits = tallies.flatMap(({ waits }) => waits).sort((a, b) => a - b);
  const errors: Record<string, number> = {};
  for (const [code, n] of tallies.flatMap((tally) => Object.entries(tally.errors))) {
    errors[code] = (errors[code] ?? 0) + n;
  }
  const round = (value: number, digits = 1): number => Number(value.toFixed(digits));
  process.stdout.write(
    `transactions/s by process: ${perSecond.map((each) => each.toFixed(0)).join(", ")}; ` +
      `longest waits, ms: ${tallies.map((tally) => tally.waits.at(-1)?.toFixed(0)).join(", ")}; ` +
      `loop gaps, ms: ${tallies.map((tally) => tally.loopGapMs.toFixed(0)).join(", ")}; ` +
      `refused on their revision: ${tallies.reduce((all, tally) => all + tally.refused, 0)}; ` +
      `bare node:sqlite in one process: ${barePerSecond.toFixed(0)}/s\n`,
  );
  process.stdout.write(
    `${JSON.stringify({
      tx_per_s: Math.round(total),
      longest_wait_ms: round(waits.at(-1) ?? 0),
      loop_gap_ms: round(Math.max(...tallies.map(({ loopGapMs }) => loopGapMs))),
      p99_wait_ms: round(waits[Math.floor(waits.length * 0.99)] ?? 0),
      errors,
      ratio_to_bare: round(total / barePerSecond, 3),
    })}\n`,
  );
}

const folder = await mkdtemp(join(values.dir, "photokeep-sqlite-"));
try {
  const shared = join(folder, "shared.db");
  await fill(shared);
  const span = { warmUpMs: WARM_UP_MS, measuredMs: Number(values.seconds) * 1_000 };
  const tallies = await measure(shared, span);
  account(shared, tallies);
  const bare = join(folder, "bare.db");
  await fill(bare);
  const transactions = tallies.reduce((all, tally) => all + tally.transactions, 0);
  const synchronous = survives === "power" ? "FULL" : "NORMAL";
  report(tallies, Number(values.seconds), runBare(bare, { transactions, synchronous }));
} finally {
  await rm(folder, { recursive: true, force: true });
}
