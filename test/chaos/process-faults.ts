/** `npm run chaos`: the local stack on SQLite, whose processes are killed and stopped while jobs run. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { makeChaosFolders } from "./crash-points.ts";
import { createCustomer } from "./customer.ts";
import { watchFailovers } from "./failovers.ts";
import { killSomebody, stopSomebody, type FaultParts } from "./faults.ts";
import { runJobs } from "./job-flow.ts";
import { seededRandom } from "./seeded-random.ts";
import { startStackProcess } from "./stack-process.ts";
import { openStoredLeases } from "./stored-leases.ts";
import { encodeStandIn } from "../bench/stand-in-onnx.ts";
import { STAND_IN_FILE } from "../bench/stand-in-place.ts";

export interface ProcessFaultsAsk {
  readonly kills: number;
  /** At least so many jobs; they are sent for as long as there are kills to come. */
  readonly jobs: number;
  readonly seed: number;
  readonly agents: number;
  readonly port: number;
  /** Mean pause between two kills, seconds. */
  readonly paceS: number;
  /** Where every single failover is written to, as JSON. */
  readonly samples?: string;
  /** Keeps the data folder. */
  readonly keep: boolean;
  readonly deadlineMs: number;
  readonly say: (line: string) => void;
}

/**
 * Jobs open at once: enough that every agent has one, and few enough that a stage that lost its agent does not stand long
 * behind other work, which would be counted as failover.
 */
const OPEN_PER_AGENT = 2;
/** Kills under way at once; stops have a lane of their own. */
const KILL_LANES = 2;
const START_MS_MAX = 60_000;
const SETTLE_MS = 90_000;
const AUDIT = fileURLToPath(new URL("../../infra/local/audit/cli.ts", import.meta.url));

/** @returns the figures of the last line. */
export async function runProcessFaults(ask: ProcessFaultsAsk): Promise<Record<string, unknown>> {
  const { kills, seed, port, say } = ask;
  const random = seededRandom(seed);
  const startedAt = performance.now();
  const data = await mkdtemp(join(tmpdir(), "photokeep-chaos-"));
  const over = new AbortController();
  try {
    makeChaosFolders(data);
    await writeFile(join(data, STAND_IN_FILE), encodeStandIn());
    const figures = await (async () => {
      await using stack = startStackProcess({
        program: new URL("./chaos-stack.ts", import.meta.url),
        args: [data, data, String(port), String(ask.agents)],
      });
      const database = join(data, "jobs.db");
      const customer = createCustomer({
        base: `http://127.0.0.1:${port}`,
        name: `chaos-${seed}`,
        random,
        untilMs: startedAt + ask.deadlineMs,
      });
      await started(database);
      await using leases = await openStoredLeases(database);
      const failovers = watchFailovers(leases, over.signal);
      const parts: FaultParts = { data, stack, leases, failovers, random };
      const count = { begun: 0, kills: 0, stops: 0 };
      const flow = runJobs(customer, {
        open: ask.agents * OPEN_PER_AGENT,
        more: (sent) => sent < ask.jobs || count.kills < kills,
        say,
      });
      const killing = Array.from({ length: KILL_LANES }, async () => {
        while (count.begun < kills) {
          count.begun += 1;
          await sleep(random() * 2_000 * ask.paceS * KILL_LANES);
          const what = await persistently(() => killSomebody(parts));
          count.kills += 1;
          say(`${count.kills} of ${kills}: ${what}; ${flow.count()} jobs have ended`);
        }
      });
      const stopping = (async () => {
        while (count.kills < kills) {
          await sleep(random() * 10_000);
          const what = await stopSomebody(parts).catch(String);
          if (what === undefined) continue;
          count.stops += 1;
          say(`stop ${count.stops}: ${what}`);
        }
      })();
      await Promise.all([...killing, stopping, flow.ended]);
      await failovers.settle(SETTLE_MS);
      if (ask.samples !== undefined) await writeFile(ask.samples, JSON.stringify(failovers.samples()));
      // Once more, now that everything is quiet: what was accepted stays as it was.
      const lost = flow.lost() + (await flow.changed());
      return {
        kills: count.kills,
        stops: count.stops,
        restarts: stack.restarts,
        jobs: flow.count(),
        lost,
        doubled: customer.doubled(),
        ...failovers.figures(),
      };
    })();
    const audited = await auditOf(data, say);
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    return {
      ...figures,
      audited_jobs: audited.jobs,
      audit_findings: audited.findings,
      not_compared: audited.not_compared,
      seconds,
    };
  } finally {
    over.abort();
    if (ask.keep) say(`kept: ${data}`);
    else await rm(data, { recursive: true, force: true });
  }
}

/** A kill that found nobody of its kind, or a database that was just being opened, is drawn anew. */
async function persistently(kill: () => Promise<string | undefined>): Promise<string> {
  for (;;) {
    const what = await kill().catch(() => undefined);
    if (what !== undefined) return what;
    await sleep(50);
  }
}

async function started(database: string): Promise<void> {
  const until = performance.now() + START_MS_MAX;
  while (!existsSync(database)) {
    if (performance.now() > until) throw new Error("the stack does not start");
    await sleep(50);
  }
  // From the file's making to its first schema.
  await sleep(1_000);
}

/** By a process of its own, over every item and every byte. */
async function auditOf(
  data: string,
  say: (line: string) => void,
): Promise<{ jobs: number; findings: number; not_compared: number }> {
  const lines = await new Promise<string[]>((resolve) => {
    const args = [AUDIT, "--data", data, "--bytes"];
    execFile(process.execPath, args, { maxBuffer: 64 * 2 ** 20 }, (_error, stdout) =>
      resolve(stdout.trimEnd().split("\n")),
    );
  });
  for (const line of lines.slice(0, -1)) say(`audit: ${line}`);
  return JSON.parse(lines.at(-1) ?? "{}") as { jobs: number; findings: number; not_compared: number };
}
