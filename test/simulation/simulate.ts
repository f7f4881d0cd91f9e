/**
 * `npm run simulate`: the production code of the control plane and the agents in a world of virtual time, harmed as each
 * seed says, every invariant of the protocol checked after every commit. The last line is one JSON object (figures.ts).
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { runPairs } from "./call-faults.ts";
import { createTally } from "./figures.ts";
import { FAULT_NAMES, PROFILES, type FaultName, type Profile } from "./profile.ts";
import { runSeeds } from "./seed-pool.ts";
import { replayCommand, shrink } from "./shrink.ts";
import { simulate, type Outcome, type SimulationAsk } from "./simulation.ts";
import { SCENARIOS, type ScenarioName } from "./scenarios.ts";

const HELP = `Proves the protocol by deterministic simulation.

  npm run simulate -- --seeds 1000 [--from 1] [--jobs 100] [--threads 2] [--profile calm|swarm|storm] [--twice]
  npm run simulate -- --seed 7 [--profile swarm] [--jobs 100] [--without faults,…] [--trace]
  npm run simulate -- --scenario ${Object.keys(SCENARIOS).join("|")} [--seed 1] [--jobs N]
  npm run simulate -- --pairs

  --seeds N      how many seeds (200), from --from S (1)
  --jobs N       restoration jobs of each seed (100)
  --threads N    threads (one a core)
  --profile P    calm: nothing goes wrong; swarm: each seed draws its own faults; storm: nearly all at once
  --twice        each seed is run twice and must tell the same story
  --seed S       one seed; --trace tells its story
  --without F    faults to switch off: ${FAULT_NAMES.join(", ")}
  --pairs        one job, with every pair of faults at its calls`;

const SEEDS_TO_EXPECT_ALL_PATHS = 200;
const PROGRESS_MS = 2_000;
const FAILED_SHOWN_MAX = 3;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    jobs: { type: "string" },
    threads: { type: "string" },
    profile: { type: "string", default: "swarm" },
    twice: { type: "boolean", default: false },
    seed: { type: "string" },
    without: { type: "string" },
    trace: { type: "boolean", default: false },
    scenario: { type: "string" },
    pairs: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function readAsk(seed: number): SimulationAsk {
  const profile = values.profile as Profile;
  if (!PROFILES.includes(profile)) throw new Error(`--profile is one of ${PROFILES.join(", ")}`);
  const without = (values.without?.split(",") ?? []) as FaultName[];
  for (const name of without)
    if (!FAULT_NAMES.includes(name)) throw new Error(`--without ${name}: no such fault`);
  return { seed, profile, jobs: Number(values.jobs ?? "100"), ...(without.length === 0 ? {} : { without }) };
}

async function one(): Promise<boolean> {
  const startedAt = performance.now();
  const tally = createTally();
  const outcome = await simulate({
    ...readAsk(Number(values.seed)),
    ...(values.trace ? { write: say } : {}),
  });
  tally.add(outcome);
  say(tally.table());
  for (const { invariant, what } of outcome.breaches) say(`BREACH of ${invariant}: ${what}`);
  say(JSON.stringify(tally.figures((performance.now() - startedAt) / 1000)));
  return outcome.breaches.length === 0;
}

async function scenario(name: string): Promise<boolean> {
  const run = SCENARIOS[name as ScenarioName];
  if (run === undefined) throw new Error(`--scenario is one of ${Object.keys(SCENARIOS).join(", ")}`);
  const { figures, isHeld } = await run({
    seed: Number(values.seed ?? "1"),
    ...(values.jobs === undefined ? {} : { jobs: Number(values.jobs) }),
    say,
  });
  say(JSON.stringify(figures));
  return isHeld;
}

async function many(): Promise<boolean> {
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  const from = Number(values.from);
  const count = Number(values.seeds);
  const tally = createTally();
  const failed: { ask: SimulationAsk; outcome: Outcome }[] = [];
  const hashes = new Map<number, string>();
  let differing = 0;
  let ended = 0;
  let saidAt = 0;
  const asks = Array.from({ length: count }, (_, i) => readAsk(from + i));
  await runSeeds(values.twice ? asks.flatMap((ask) => [ask, ask]) : asks, {
    threads: Number(values.threads ?? availableParallelism()),
    onOutcome(outcome, ask) {
      const before = hashes.get(outcome.seed);
      hashes.set(outcome.seed, outcome.hash);
      if (before === undefined) {
        tally.add(outcome);
        ended += 1;
        if (outcome.infra > 0)
          say(`seed ${ask.seed}: innocent jobs that ended as a failure of ours: ${outcome.infra}`);
        if (outcome.breaches.length > 0) {
          failed.push({ ask, outcome });
          const [breach] = outcome.breaches;
          say(`SEED ${ask.seed} FAILED: invariant ${breach?.invariant}: ${breach?.what}`);
        }
      } else if (before !== outcome.hash) {
        differing += 1;
        say(`seed ${outcome.seed} told two stories: ${before} and ${outcome.hash}`);
      }
      if (performance.now() - saidAt > PROGRESS_MS) {
        saidAt = performance.now();
        const { jobs, jobs_per_s, breaches } = tally.figures(seconds());
        say(`${ended} of ${count} seeds, ${jobs} jobs, ${jobs_per_s} jobs/s, ${breaches} breaches`);
      }
      return true;
    },
  });
  const figures = tally.figures(seconds());
  say(tally.table());
  for (const { ask, outcome } of failed.slice(0, FAILED_SHOWN_MAX)) await tellFailed(ask, outcome);
  if (failed.length > FAILED_SHOWN_MAX) say(`${failed.length} seeds failed in all.`);
  const untaken = values.profile === "swarm" && count >= SEEDS_TO_EXPECT_ALL_PATHS ? tally.untaken() : [];
  for (const path of untaken) say(`NEVER TAKEN: ${path}`);
  if (values.twice) say(`${count - differing} of ${count} seeds told the same story twice.`);
  say(JSON.stringify(figures));
  return figures.breaches === 0 && figures.lost === 0 && untaken.length === 0 && differing === 0;
}

async function tellFailed(ask: SimulationAsk, outcome: Outcome): Promise<void> {
  const small = await shrink(ask, outcome);
  say(`SEED ${ask.seed}, shrunk: ${small.outcome.breaches[0]?.what}`);
  say(`  ${replayCommand(small.ask)}`);
}

async function main(): Promise<boolean> {
  if (values.help) {
    say(HELP);
    return true;
  }
  if (values.pairs) return runPairs(say);
  if (values.scenario !== undefined) return scenario(values.scenario);
  return values.seed === undefined ? many() : one();
}

process.exitCode = (await main()) ? 0 : 1;
