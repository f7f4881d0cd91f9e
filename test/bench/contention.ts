/**
 * `npm run bench:contention`: many writers, over several processes, replace one item at the same rev at the same moment;
 * round after round exactly one may win, and the item must be the winner's. On SQLite, and on DynamoDB where it is there.
 * The last line is one JSON object: rounds, wrong, and per engine rounds_per_s, writes_per_s, conflicts, wrong (or null).
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createDynamoTable, deleteDynamoTable } from "#shared/adapters/dynamo-table.ts";
import { invariant } from "#shared/domain/fault.ts";
import { awsEngine } from "../contract/aws-engines.ts";
import { type EngineName, ITEM, openStore } from "./contention-store.ts";
import type { Round, Told } from "./contention-writer.ts";

const HELP = `Usage: npm run bench:contention -- [options]

  --rounds N     rounds on each engine (1000)
  --writers N    writers that try at once in each round (20)
  --processes N  processes that they are spread over (4)

DynamoDB is measured where AWS_ENDPOINT_URL_DYNAMODB names a server, as \`npm run emulators -- start\` prints it.
`;
const WRITER = fileURLToPath(new URL("./contention-writer.ts", import.meta.url));
const PROGRESS_ROUNDS = 25;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "1000" },
    writers: { type: "string", default: "20" },
    processes: { type: "string", default: "4" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const rounds = countOf("rounds", 1_000_000);
const writers = countOf("writers", 1_000);
const processes = Math.min(countOf("processes", 64), writers);

function countOf(name: "rounds" | "writers" | "processes", most: number): number {
  const count = Number(values[name]);
  if (Number.isInteger(count) && count >= 1 && count <= most) return count;
  process.stderr.write(`--${name} is a whole number from 1 to ${most}.\n\n${HELP}`);
  process.exit(2);
}

interface Figures {
  readonly rounds_per_s: number;
  readonly writes_per_s: number;
  readonly conflicts: number;
  readonly wrong: number;
}

async function nextMessage(child: ChildProcess): Promise<unknown> {
  const left = new AbortController();
  const died = once(child, "exit", left).then(() =>
    Promise.reject(new Error("a writer ended before it answered")),
  );
  try {
    const [message] = (await Promise.race([once(child, "message", left), died])) as [unknown];
    return message;
  } finally {
    left.abort();
    died.catch(() => undefined);
  }
}

async function startWriters(engine: EngineName, place: string): Promise<readonly ChildProcess[]> {
  const children = Array.from({ length: processes }, (_, i) => {
    const first = Math.floor((i * writers) / processes);
    const next = Math.floor(((i + 1) * writers) / processes);
    return fork(WRITER, [engine, place, String(first), String(next - first)]);
  });
  for (const ready of await Promise.all(children.map(nextMessage))) {
    invariant(ready === "ready", "a writer says first that it is ready");
  }
  return children;
}

/** One round: all are told at once, and one of them wins. */
async function play(children: readonly ChildProcess[], round: Round): Promise<Told> {
  const answers = children.map(nextMessage);
  for (const child of children) child.send(round);
  const told = (await Promise.all(answers)) as Told[];
  return {
    winners: told.flatMap(({ winners }) => winners),
    conflicts: told.reduce((sum, { conflicts }) => sum + conflicts, 0),
  };
}

async function measure(engine: EngineName, place: string): Promise<Figures> {
  await using store = await openStore(engine, place);
  await store.transact([{ op: "put", item: { ...ITEM, body: {} }, when: "absent" }]);
  const children = await startWriters(engine, place);
  let wrong = 0;
  let conflicts = 0;
  const startedAt = performance.now();
  for (let n = 1; n <= rounds; n++) {
    const before = await store.get(ITEM);
    const rev = before?.rev ?? 0;
    const told = await play(children, { rev });
    conflicts += told.conflicts;
    const after = await store.get(ITEM);
    const [winner] = told.winners;
    const body = after?.body as { readonly writer?: number; readonly rev?: number } | undefined;
    const isRight =
      told.winners.length === 1 && after?.rev === rev + 1 && body?.writer === winner && body?.rev === rev;
    if (!isRight) {
      wrong += 1;
      process.stdout.write(`${engine}, round ${n}: winners ${told.winners.join(", ") || "none"}\n`);
    }
    showProgress(engine, n);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const ended = children.map((child) => once(child, "exit"));
  for (const child of children) child.disconnect();
  await Promise.all(ended);
  return {
    rounds_per_s: Math.round(rounds / seconds),
    writes_per_s: Math.round((rounds * writers) / seconds),
    conflicts,
    wrong,
  };
}

function showProgress(engine: EngineName, n: number): void {
  if (!process.stderr.isTTY || (n % PROGRESS_ROUNDS !== 0 && n !== rounds)) return;
  process.stderr.write(`\r${engine}: round ${n} of ${rounds}${n === rounds ? "\n" : ""}`);
}

async function measureSqlite(): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), "photokeep-contention-"));
  try {
    return await measure("sqlite", join(folder, "store.db"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureDynamo(): Promise<Figures | null> {
  const { isHere, options } = awsEngine("dynamodb");
  if (!isHere) return null;
  const table = `photokeep-test-${randomBytes(6).toString("hex")}`;
  await createDynamoTable(options, table);
  try {
    return await measure("dynamodb", table);
  } finally {
    await deleteDynamoTable(options, table);
  }
}

function say(engine: string, figures: Figures | null): void {
  const line =
    figures === null
      ? "is not here (AWS_ENDPOINT_URL_DYNAMODB): its figures are left out"
      : `${rounds} rounds of ${writers} writers in ${processes} processes, ${figures.writes_per_s} writes a second, ${figures.conflicts} conflicts, ${figures.wrong} wrong`;
  process.stdout.write(`${engine}: ${line}\n`);
}

const sqlite = await measureSqlite();
say("sqlite", sqlite);
const dynamodb = await measureDynamo();
say("dynamodb", dynamodb);
const wrong = sqlite.wrong + (dynamodb?.wrong ?? 0);
process.stdout.write(`${JSON.stringify({ rounds, wrong, sqlite, dynamodb })}\n`);
