import { expect, test } from "vitest";
import { createTally } from "./figures.ts";
import { runSeeds } from "./seed-pool.ts";
import { replayCommand } from "./shrink.ts";
import { simulate, type SimulationAsk } from "./simulation.ts";

const SEEDS = 200;
const JOBS = 30;

function swarm(seed: number): SimulationAsk {
  return { seed, profile: "swarm", jobs: JOBS };
}

test("200 swarm seeds keep every promise, and nothing is lost", { timeout: 180_000 }, async () => {
  const tally = createTally();
  const failed: string[] = [];
  await runSeeds(
    Array.from({ length: SEEDS }, (_, i) => swarm(i + 1)),
    {
      threads: 2,
      onOutcome(outcome, ask) {
        tally.add(outcome);
        const [breach] = outcome.breaches;
        if (breach !== undefined) failed.push(`${breach.invariant}: ${breach.what}; ${replayCommand(ask)}`);
        return true;
      },
    },
  );
  expect(failed).toEqual([]);
  expect(tally.figures(1)).toMatchObject({
    seeds: SEEDS,
    lost: 0,
    innocent_poisoned: 0,
    doubled: 0,
    breaches: 0,
  });
  expect(tally.untaken()).toEqual([]);
});

test("a calm fleet ends every job well and does no work twice", async () => {
  const outcome = await simulate({ seed: 1, profile: "calm", jobs: 60 });
  expect(outcome.breaches).toEqual([]);
  expect(outcome).toMatchObject({ succeeded: 60, lost: 0, wastedSeconds: 0 });
});

test("the same seed tells the same story, and another seed another", async () => {
  const first = await simulate(swarm(3));
  expect((await simulate(swarm(3))).hash).toBe(first.hash);
  expect((await simulate(swarm(4))).hash).not.toBe(first.hash);
});
