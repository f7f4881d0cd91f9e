/**
 * `npm run chaos`: a real local stack under real faults; in the end every job must have succeeded, its result written
 * once and readable. Processes are killed with SIGKILL at random moments; on AWS's engines the way to them is made
 * unreliable. The last line is one JSON object: jobs, kills, restarts, lost, doubled, seconds, and the faults by kind.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import { createCustomer, type Customer } from "./customer.ts";
import { openFaultyEngines, type FaultyEngines } from "./faulty-engines.ts";
import { seededRandom } from "./seeded-random.ts";
import { startStackProcess } from "./stack-process.ts";

const HELP = `Breaks a local stack while it works, and counts what was lost.

  npm run chaos -- [--jobs 20] [--kills 20] [--seed 1] [--agents 1] [--port 8899]
  npm run chaos -- --doors aws --jobs 300 --faults 0.05 [--kills 0] [--agents 4]

  --jobs N      photographs sent
  --kills N     processes killed at random moments (with --doors aws: none unless told)
  --doors KIND  embedded (default), or aws: in the environment that \`npm run emulators -- start\` prints
  --faults P    with --doors aws: how often each kind of fault meets a request to an engine, 0 to 0.08
  --seed N      draws the photographs, the moments and the faults`;

const DEADLINE_MS = 55 * 60_000;
/** Jobs open at once. */
const CUSTOMERS_MAX = 30;
const LOOK_MS = 1_000;

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "20" },
    kills: { type: "string" },
    seed: { type: "string", default: "1" },
    agents: { type: "string" },
    port: { type: "string", default: "8899" },
    doors: { type: "string", default: "embedded" },
    faults: { type: "string", default: "0" },
    help: { type: "boolean", short: "h" },
  },
});

async function main(): Promise<void> {
  const isAws = values.doors === "aws";
  const jobs = Number(values.jobs);
  const kills = Number(values.kills ?? (isAws ? "0" : "20"));
  const seed = Number(values.seed);
  const random = seededRandom(seed);
  const startedAt = performance.now();
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const data = await mkdtemp(join(tmpdir(), "photokeep-chaos-"));
  let engines: FaultyEngines | undefined;
  try {
    if (isAws)
      engines = await openFaultyEngines({ variables: process.env, rate: Number(values.faults), seed });
    await using stack = startStackProcess({
      port: values.port,
      data,
      args: ["--agents", values.agents ?? (isAws ? "4" : "1"), "--doors", values.doors],
      env: engines?.environment ?? {},
    });
    const customer = createCustomer({
      base: `http://127.0.0.1:${values.port}`,
      name: `chaos-${seed}-${Date.now()}`,
      random,
      untilMs: startedAt + DEADLINE_MS,
    });

    const states = new Map<string, string>();
    let lost = 0;
    let next = 0;
    /** Sends, waits for the end, fetches the result. What has not ended by the deadline is lost. */
    const oneJob = async (n: number): Promise<void> => {
      try {
        const id = await customer.submit(n);
        const restoration = await ended(customer, id);
        const { status, error } = restoration;
        const isWhole = status === "succeeded" && (await customer.hasResult(restoration));
        if (!isWhole) lost += 1;
        states.set(id, status);
        say(
          `${states.size} of ${jobs} ended: ${id} ${status} ${error?.code ?? ""}${isWhole ? "" : ", LOST"}`,
        );
      } catch (error) {
        lost += 1;
        say(`photograph ${n}: LOST, ${String(error)}`);
      }
    };
    const customers = Array.from({ length: Math.min(jobs, CUSTOMERS_MAX) }, async () => {
      while (next < jobs) await oneJob(next++);
    });
    const killing = (async () => {
      for (let n = 1; n <= kills; n += 1) {
        await sleep(200 + random() * 1_500);
        say(`kill ${n} of ${kills}: ${await stack.killOne(random)}`);
      }
    })();
    await Promise.all([...customers, killing]);
    // Once more, now that everything is quiet: what was accepted stays as it was.
    engines?.quieten();
    for (const [id, status] of states) if ((await customer.look(id)).status !== status) lost += 1;

    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    const figures = { jobs, kills, restarts: stack.restarts, lost, doubled: customer.doubled() };
    say(
      JSON.stringify({ ...figures, seconds, ...(engines === undefined ? {} : { faults: engines.counts() }) }),
    );
  } finally {
    await engines?.[Symbol.asyncDispose]();
    await rm(data, { recursive: true, force: true });
  }
}

/** @throws when the run's deadline passes before the job has ended. */
async function ended(customer: Customer, id: string): Promise<Restoration> {
  for (;;) {
    const restoration = await customer.look(id);
    if (["succeeded", "failed", "canceled", "expired"].includes(restoration.status)) return restoration;
    await sleep(LOOK_MS);
  }
}

if (values.help === true) process.stdout.write(`${HELP}\n`);
else await main();
