/** What went wrong in other systems that share a device among models, each as a promise of this planner. */
import { expect, test } from "vitest";
import { createPlanner } from "#agent/vram/planner.ts";
import { POLICIES } from "#agent/vram/policy-table.ts";
import { hitRatio } from "../../bench/vram/measures.ts";
import { simulate } from "../../bench/vram/simulation.ts";
import { jobOf, poolOf, wordsOf } from "./plan-fixture.ts";

const planners = Object.values(POLICIES).map((policy) => createPlanner(policy));

test("Ollama 17408: a victim that is wanted again while it drains is waited for, then loaded again", () => {
  const draining = poolOf({ victim: ["draining", 6], other: ["hot", 4] });
  const back = poolOf({ victim: ["warm", 6], other: ["hot", 4] });
  for (const planner of planners) {
    const jobs = [jobOf(draining, ["victim"])];
    expect(wordsOf(draining, planner.plan(draining, jobs))).toEqual(["wait draining"]);
    expect(wordsOf(back, planner.plan(back, jobs))).toEqual(["load victim"]);
  }
});

test("Ollama: memory counts until it has really come back, and nothing more is evicted for it meanwhile", () => {
  const pool = poolOf({ leaving: ["draining", 5], idle: ["hot", 5], next: ["warm", 5] });
  for (const planner of planners)
    expect(wordsOf(pool, planner.plan(pool, [jobOf(pool, ["next"])]))).toEqual(["wait draining"]);
});

test("Triton 3583: room is made before a load is asked for, never after", () => {
  const full = poolOf({ idle: ["hot", 6], next: ["warm", 5] });
  const free = poolOf({ idle: ["warm", 6], next: ["warm", 5] });
  for (const planner of planners) {
    const jobs = [jobOf(full, ["next"])];
    expect(wordsOf(full, planner.plan(full, jobs))).toEqual(["evict idle for next", "wait draining"]);
    expect(wordsOf(free, planner.plan(free, jobs))).toEqual(["load next"]);
  }
});

test("InvokeAI 7513: between being fetched and being held a model is not dropped for another", () => {
  // Fetched and not yet held, held, or on its way in: each with someone who wants all of the memory.
  const greedy = { greedy: ["warm", 9] } as const;
  const fetched = poolOf({ mine: ["hot", 4], ...greedy });
  const held = poolOf({ mine: ["leased", 4], ...greedy });
  const coming = poolOf({ mine: ["promoting", 4], ...greedy });
  for (const planner of planners) {
    expect(
      wordsOf(fetched, planner.plan(fetched, [jobOf(fetched, ["mine"]), jobOf(fetched, ["greedy"])])),
    ).toEqual(["run mine s0"]);
    expect(wordsOf(held, planner.plan(held, [jobOf(held, ["greedy"])]))).toEqual(["wait leased"]);
    expect(wordsOf(coming, planner.plan(coming, [jobOf(coming, ["greedy"])]))).toEqual(["wait loading"]);
  }
});

test("Ray Serve: two groups of users by turns do not make the device thrash", () => {
  const model = { gigabytes: 1, warmSeconds: 1, coldSeconds: 1 };
  const models = ["a", "b"].map((id) => ({ ...model, id }));
  const jobs = Array.from({ length: 340 }, (_, at) => ({
    arrivesAt: 0,
    stages: [{ model: at % 2, runSeconds: 1 }],
  }));
  const workload = { models, jobs, activationGigabytes: 0 };
  const run = (name: keyof typeof POLICIES) =>
    simulate(workload, { policy: POLICIES[name], budgetGigabytes: 1, queueMax: 64 });
  expect(hitRatio(run("lru"))).toBe(0);
  // Sixteen of one group, then sixteen of the other.
  expect(hitRatio(run("lookahead"))).toBeGreaterThan(1 - 2 / 16);
  expect(run("lookahead").maxOvertaken).toBe(16);
});

test("ModelMesh: a model whose loads failed is not tried again, and the other jobs go on", () => {
  const pool = poolOf({ broken: ["warm", 4, "barred"], sound: ["hot", 4] });
  for (const planner of planners) {
    const [broken, sound] = [jobOf(pool, ["sound", "broken"]), jobOf(pool, ["sound"])];
    expect(wordsOf(pool, planner.plan(pool, [broken, sound]))).toEqual([
      "reject sound-broken: broken barred",
    ]);
    expect(wordsOf(pool, planner.plan(pool, [sound]))).toEqual(["run sound s0"]);
  }
});
