/**
 * `npm run bench:reliability`: how much work is done twice as faults become more frequent, and how long failovers take,
 * in simulations; with `--samples` of a chaos run, failovers of real processes beside them. Writes two plots into docs/.
 * The last line is one JSON object: seeds, wasted_ratio (by harshness), failover_p50_s, failover_p99_s, real_failovers.
 */
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { failoverPlot, wastePlot, type Waste } from "./reliability-plots.ts";
import { spreadOf } from "../measures/durations.ts";
import { runSeeds } from "../simulation/seed-pool.ts";
import type { SimulationAsk } from "../simulation/simulation.ts";

const HELP = `Plots failover times, and work done twice against the rate of faults.

  npm run bench:reliability -- [--seeds 200] [--jobs 30] [--samples failovers.json]

  --seeds N     of each rate of faults
  --jobs N      of each seed
  --samples F   written by \`npm run chaos -- --samples F\``;

/** Times as many faults as the swarm draws. */
const HARSHNESS = [0, 0.25, 0.5, 1, 2, 4] as const;
/** Of these the failovers are plotted. */
const AS_DRAWN = 1;
/** What counts as the failover of an agent that died or stood still; docs/reliability.md. */
const COUNTED = new Set(["agent_killed", "agent_vanished", "agent_stopped", "control_killed"]);

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    jobs: { type: "string", default: "30" },
    samples: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

interface Sample {
  readonly cause: string;
  readonly seconds: number;
  readonly outage: boolean;
}

async function measure(harshness: number): Promise<{ readonly waste: Waste; readonly seconds: number[] }> {
  const sums = { wasted: 0, work: 0, lost: 0 };
  const seconds: number[] = [];
  const asks = Array.from({ length: Number(values.seeds) }, (_, i): SimulationAsk => {
    return { seed: i + 1, profile: "swarm", jobs: Number(values.jobs), harshness };
  });
  await runSeeds(asks, {
    threads: availableParallelism(),
    onOutcome({ wastedSeconds, workSeconds, lost, takeovers }) {
      sums.wasted += wastedSeconds;
      sums.work += workSeconds;
      sums.lost += lost;
      for (const { ms, excuse } of takeovers) if (excuse === undefined) seconds.push(ms / 1_000);
      return true;
    },
  });
  return { waste: { harshness, ratio: sums.wasted / sums.work, lost: sums.lost }, seconds };
}

async function main(): Promise<void> {
  const wastes: Waste[] = [];
  let simulated: number[] = [];
  for (const harshness of HARSHNESS) {
    const { waste, seconds } = await measure(harshness);
    wastes.push(waste);
    if (harshness === AS_DRAWN) simulated = seconds;
    process.stdout.write(
      `${harshness} times the swarm's faults: ${(100 * waste.ratio).toFixed(2)} % done twice, ${waste.lost} lost, ${seconds.length} failovers\n`,
    );
  }
  const read =
    values.samples === undefined ? [] : (JSON.parse(await readFile(values.samples, "utf8")) as Sample[]);
  const real = read
    .filter(({ cause, outage }) => COUNTED.has(cause) && !outage)
    .map(({ seconds }) => seconds);
  const docs = new URL("../../docs/", import.meta.url);
  await writeFile(new URL("reliability-waste.svg", docs), wastePlot(wastes));
  await writeFile(new URL("reliability-failover.svg", docs), failoverPlot({ simulated, real }));
  const { p50, p99 } = spreadOf(simulated);
  process.stdout.write(
    `${JSON.stringify({
      seeds: Number(values.seeds),
      wasted_ratio: Object.fromEntries(wastes.map(({ harshness, ratio }) => [harshness, ratio])),
      lost: wastes.reduce((sum, { lost }) => sum + lost, 0),
      failover_p50_s: p50,
      failover_p99_s: p99,
      simulated_failovers: simulated.length,
      real_failovers: real.length,
    })}\n`,
  );
}

if (values.help) process.stdout.write(`${HELP}\n`);
else await main();
