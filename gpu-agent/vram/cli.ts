import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { findPools, type FoundPool } from "./pool-record.ts";
import { poolTimelineSvg } from "./pool-timeline.ts";
import { poolHeadline, poolView } from "./pool-view.ts";

const HELP = `What the models of this machine's agents are doing: which are loaded, who uses them, what was evicted and why.

Usage: npm run vram -- [options]

  --data DIR           the data folder of PhotoKeep (default: .photokeep in the project)
  --watch              draws it anew every second, until Ctrl-C
  --timeline FILE.svg  writes a picture of the last events: a row for each model, stalls in red
  --last SECONDS       of the timeline only so much before its end
  --json               machine-readable output
  --help               this text

Agents that run are shown whole; of those that have ended the last one, where none runs, and a line for each other.
Exit code: 0 done, 1 something failed (said on stderr), 2 wrong usage.
`;
const PROJECT_ROOT = resolve(import.meta.dirname, "../..");
const REDRAW_MS = 1_000;
/** Where the cursor goes home and the rest of the screen is cleared. */
const HOME = "\x1b[H\x1b[J";

type Found = Awaited<ReturnType<typeof findPools>>;

class UsageError extends Error {}

async function main(args: string[]): Promise<number> {
  const values = parse(args);
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.watch && (values.json || values.timeline !== undefined))
    throw new UsageError("--watch goes with neither --json nor --timeline");
  if (values.last !== undefined && values.timeline === undefined)
    throw new UsageError("--last goes with --timeline");
  const lastSeconds = values.last === undefined ? Infinity : secondsOf(values.last);
  const folder = join(resolve(values.data ?? join(PROJECT_ROOT, ".photokeep")), "pools");

  if (values.watch) return await watch(folder);
  const found = await findPools(folder);
  complain(found);
  if (values.timeline !== undefined) return await draw(shownOf(found), values.timeline, lastSeconds);
  console.log(values.json ? JSON.stringify(jsonOf(found), null, 2) : screenOf(found));
  return found.damaged.length > 0 ? 1 : 0;
}

async function watch(folder: string): Promise<number> {
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());
  process.stdout.on("error", () => interrupt.abort());
  while (!interrupt.signal.aborted) {
    const found = await findPools(folder);
    process.stdout.write(`${HOME}${screenOf(found)}\n${damageOf(found).join("\n")}\n`);
    await clock.sleep(REDRAW_MS, interrupt.signal).catch(() => undefined);
  }
  return 0;
}

async function draw(pools: readonly FoundPool[], path: string, lastSeconds: number): Promise<number> {
  if (pools.length === 0)
    throw new Error("There is nothing to draw: no agent has left a picture in this data folder.");
  const timelines = pools.map(({ record, slot }) => ({
    title: `Agent ${record.pid}, slot ${slot}, on ${record.picture.device}`,
    record,
  }));
  await writeFile(path, poolTimelineSvg(timelines, lastSeconds));
  console.log(`${path} is written.`);
  return 0;
}

const NOTHING = "No agent has run here yet; npm start begins one.";

function screenOf({ pools, damaged }: Found): string {
  if (pools.length === 0) return damaged.length === 0 ? NOTHING : "No agent can be shown.";
  const nowMs = clock.now();
  const shown = shownOf({ pools });
  const rest = pools.filter((pool) => !shown.includes(pool));
  return [
    ...shown.map((pool) => poolView(pool, nowMs).join("\n")),
    ...(rest.length === 0 ? [] : [rest.map((pool) => poolHeadline(pool, nowMs)).join("\n")]),
  ].join("\n\n");
}

/** Those that run; where none does, the last one. */
function shownOf({ pools }: Pick<Found, "pools">): readonly FoundPool[] {
  const running = pools.filter(({ status }) => status === "running");
  return running.length > 0 ? running : pools.slice(0, 1);
}

function jsonOf({ pools, damaged }: Found): unknown {
  return {
    pools: pools.map(({ record, ...rest }) => ({ ...rest, pid: record.pid, picture: record.picture })),
    damaged,
  };
}

function damageOf({ damaged }: Found): readonly string[] {
  return damaged.map(({ path, why }) => `${path} cannot be read: ${why}.`);
}

function complain(found: Found): void {
  for (const line of damageOf(found)) console.error(line);
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (seconds > 0 && seconds < Infinity) return seconds;
  throw new UsageError(`--last takes seconds above zero, not ${text}`);
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        data: { type: "string" },
        watch: { type: "boolean", default: false },
        timeline: { type: "string" },
        last: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? `${message}\n\n${HELP}` : message);
  process.exitCode = isUsage ? 2 : 1;
}
