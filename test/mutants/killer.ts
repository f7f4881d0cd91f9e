/** The process of one mutant: runs seed after seed until one notices, and prints a line of JSON for each. */
import fc from "fast-check";
import { play, step } from "../functions/billing/money-play.ts";
import { playStripe } from "../functions/billing/stripe-play.ts";
import { simulate } from "../simulation/simulation.ts";

const {
  by = "jobs",
  from = "1",
  seeds = "500",
  jobs = "20",
} = JSON.parse(process.argv[2] ?? "{}") as Record<string, string>;

/** What the seed notices; undefined: nothing. */
async function noticed(seed: number): Promise<string | undefined> {
  return by === "books" ? noticedInBooks(seed) : noticedInJobs(seed);
}

/** Over all seeds so far: some bugs break no promise and do everything twice. */
const sums = { seeds: 0, wastedSeconds: 0, workSeconds: 0, bells: 0, jobs: 0 };
/** Seeds before a share of them says anything, and what docs/reliability.md promises of it. */
const SEEDS_TO_JUDGE = 100;
const WASTED_MAX = 0.015;
const BELLS_A_JOB_MAX = 20;

async function noticedInJobs(seed: number): Promise<string | undefined> {
  const outcome = await simulate({ seed, profile: "swarm", jobs: Number(jobs) });
  const [breach] = outcome.breaches;
  if (breach !== undefined) return `${breach.invariant}: ${breach.what}`;
  if (outcome.lost > 0) return `1: ${outcome.lost} jobs were lost`;
  sums.seeds += 1;
  sums.wastedSeconds += outcome.wastedSeconds;
  sums.workSeconds += outcome.workSeconds;
  sums.bells += outcome.bellsSent;
  sums.jobs += outcome.jobs;
  if (sums.seeds < SEEDS_TO_JUDGE) return undefined;
  const wasted = sums.wastedSeconds / sums.workSeconds;
  if (wasted > WASTED_MAX) return `${(100 * wasted).toFixed(1)} % of the work was done twice`;
  const bells = sums.bells / sums.jobs;
  return bells > BELLS_A_JOB_MAX ? `${Math.round(bells)} doorbells a job` : undefined;
}

const FAULTS = [0, 0.05, 0.3] as const;
const STEPS = { minLength: 10, maxLength: 80, size: "max" } as const;

async function noticedInBooks(seed: number): Promise<string | undefined> {
  const [steps = []] = fc.sample(fc.array(step, STEPS), { seed, numRuns: 1 });
  const seen = { accepted: 0, refused: 0, rated: 0, conflicts: 0, lostReplies: 0 };
  await play(steps, seed, FAULTS[seed % FAULTS.length] ?? 0, seen);
  const [breach] = await playStripe(seed);
  return breach;
}

for (let seed = Number(from); seed < Number(from) + Number(seeds); seed++) {
  const what = await noticed(seed).catch((error: unknown) =>
    error instanceof Error ? error.message : String(error),
  );
  process.stdout.write(`${JSON.stringify({ seed, what })}\n`);
  if (what !== undefined) break;
}
process.exit(0);
