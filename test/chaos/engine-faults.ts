/** `npm run chaos -- --doors aws`: real jobs on engines whose way is made unreliable, and kills at random if asked for. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createCustomer } from "./customer.ts";
import { openFaultyEngines } from "./faulty-engines.ts";
import { runJobs } from "./job-flow.ts";
import { seededRandom } from "./seeded-random.ts";
import { startStackProcess } from "./stack-process.ts";

export interface EngineFaultsAsk {
  readonly jobs: number;
  readonly kills: number;
  readonly seed: number;
  readonly agents: number;
  readonly port: number;
  /** How often each kind of fault meets a request, 0 to 0.08. */
  readonly rate: number;
  readonly deadlineMs: number;
  readonly say: (line: string) => void;
}

/** @returns the figures of the last line. */
export async function runEngineFaults(ask: EngineFaultsAsk): Promise<Record<string, unknown>> {
  const { jobs, kills, seed, port, say } = ask;
  const random = seededRandom(seed);
  const startedAt = performance.now();
  const data = await mkdtemp(join(tmpdir(), "photokeep-chaos-"));
  try {
    await using engines = await openFaultyEngines({ variables: process.env, rate: ask.rate, seed });
    await using stack = startStackProcess({
      program: new URL("../../infra/local/main.ts", import.meta.url),
      args: ["--port", String(port), "--data", data, "--agents", String(ask.agents), "--doors", "aws"],
      env: engines.environment,
    });
    const customer = createCustomer({
      base: `http://127.0.0.1:${port}`,
      name: `chaos-${seed}-${Date.now()}`,
      random,
      untilMs: startedAt + ask.deadlineMs,
    });
    const killing = (async () => {
      for (let n = 1; n <= kills; n += 1) {
        await sleep(200 + random() * 1_500);
        say(`kill ${n} of ${kills}: ${stack.killOne(random)}`);
      }
    })();
    const flow = runJobs(customer, { open: 30, more: (sent) => sent < jobs, say });
    await Promise.all([flow.ended, killing]);
    // Once more, now that everything is quiet: what was accepted stays as it was.
    engines.quieten();
    const lost = flow.lost() + (await flow.changed());
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    const figures = { jobs, kills, restarts: stack.restarts, lost, doubled: customer.doubled(), seconds };
    return { ...figures, faults: engines.counts() };
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}
