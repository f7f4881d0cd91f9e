/**
 * Fault at every call: the calls that one job takes are recorded, then the run is repeated with one fault, or two, at
 * each of them. Most outages in the field began as an error that somebody foresaw and handled wrongly (Yuan et al.,
 * "Simple Testing Can Prevent Most Critical Failures", OSDI 2014).
 */
import { availableParallelism } from "node:os";
import { CALL_FAULTS, type CallFault } from "./network.ts";
import { runSeeds } from "./seed-pool.ts";
import { simulate, type Outcome, type SimulationAsk } from "./simulation.ts";

export type Script = NonNullable<SimulationAsk["script"]>;

/** One job, two agents, nothing else wrong. */
export function oneJob(script: Script): SimulationAsk {
  return {
    seed: 1,
    profile: "calm",
    jobs: 1,
    script,
    shape: {
      agents: 2,
      slotsMax: 1,
      orgs: 1,
      arrivalMs: 1,
      stageMs: [400, 900],
      faultsMs: 1_000,
      settles: "money",
      drawsMoney: false,
    },
  };
}

/** How many calls the undisturbed job takes. */
export async function countCalls(): Promise<number> {
  return (await simulate(oneJob([]))).calls.length;
}

/** @param faults which are tried at each call. */
export function* singleScripts(calls: number, faults: readonly CallFault[] = CALL_FAULTS): Generator<Script> {
  for (let at = 0; at < calls; at++) for (const fault of faults) yield [[at, fault]];
}

function* pairScripts(calls: number): Generator<Script> {
  const faults = CALL_FAULTS.filter((fault) => fault !== "delay");
  for (const [first] of singleScripts(calls, faults)) {
    if (first === undefined) continue;
    for (let at = first[0] + 1; at < calls; at++) for (const fault of faults) yield [first, [at, fault]];
  }
}

/** What is wrong with how the job went; undefined when it went well. */
export function complaint({ breaches, succeeded }: Outcome): string | undefined {
  const [breach] = breaches;
  if (breach !== undefined) return `invariant ${breach.invariant}: ${breach.what}`;
  return succeeded === 1 ? undefined : "the job did not succeed";
}

/** Every pair of faults. @returns whether all went well. */
export async function runPairs(say: (line: string) => void): Promise<boolean> {
  const startedAt = performance.now();
  const calls = await countCalls();
  let runs = 0;
  let failed = 0;
  function* asks(): Generator<SimulationAsk> {
    for (const script of pairScripts(calls)) yield oneJob(script);
  }
  await runSeeds(asks(), {
    threads: availableParallelism(),
    onOutcome(outcome, { script }) {
      runs += 1;
      const why = complaint(outcome);
      if (why !== undefined) {
        failed += 1;
        say(`${JSON.stringify(script)}: ${why}`);
      }
      if (runs % 5_000 === 0) say(`${runs} pairs, ${failed} failed`);
      return true;
    },
  });
  say(
    JSON.stringify({
      calls,
      pairs: runs,
      failed,
      seconds: Math.round((performance.now() - startedAt) / 1000),
    }),
  );
  return failed === 0;
}
