import { FAULT_NAMES, type FaultName } from "./profile.ts";
import { simulate, type Outcome, type SimulationAsk } from "./simulation.ts";

/** Runs tried before the smallest so far is taken. */
const RUNS_MAX = 120;

/**
 * The least that still breaks the same promise: faults are switched off one by one and jobs left out from the end, and
 * what does not heal the run stays away.
 */
export async function shrink(
  ask: SimulationAsk,
  failed: Outcome,
): Promise<{ ask: SimulationAsk; outcome: Outcome }> {
  const [first] = failed.breaches;
  let best = { ask, outcome: failed };
  let runs = 0;

  async function attempt(smaller: SimulationAsk): Promise<boolean> {
    runs += 1;
    if (runs > RUNS_MAX) return false;
    const outcome = await simulate(smaller);
    if (!outcome.breaches.some(({ invariant }) => invariant === first?.invariant)) return false;
    best = { ask: smaller, outcome };
    return true;
  }

  const without: FaultName[] = [...(ask.without ?? [])];
  for (const name of FAULT_NAMES) {
    if (without.includes(name)) continue;
    if (await attempt({ ...best.ask, without: without.concat(name) })) without.push(name);
  }
  for (let step = Math.floor(best.ask.jobs / 2); step >= 1;) {
    const jobs = best.ask.jobs - step;
    if (jobs < 1 || !(await attempt({ ...best.ask, jobs }))) step = Math.floor(step / 2);
  }
  return best;
}

/** The command that runs exactly this again. */
export function replayCommand({ seed, profile, jobs, without = [] }: SimulationAsk): string {
  const off = without.length === 0 ? "" : ` --without ${without.join(",")}`;
  return `npm run simulate -- --seed ${seed} --profile ${profile} --jobs ${jobs}${off} --trace`;
}
