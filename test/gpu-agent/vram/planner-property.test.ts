import fc from "fast-check";
import { expect, test } from "vitest";
import { POLICIES, type PolicyName } from "#agent/vram/policy-table.ts";
import { runRandomSteps } from "../../bench/vram/random-steps.ts";
import { createPlannerWorld } from "./planner-world.ts";

const shape = fc.record({
  policy: fc.constantFrom(...(Object.keys(POLICIES) as PolicyName[])),
  models: fc.array(
    fc.record({ bytes: fc.integer({ min: 1, max: 24 }), isPinned: fc.constantFrom(false, false, true) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  ),
  deviceBytes: fc.integer({ min: 3, max: 40 }),
  reserveBytes: fc.integer({ min: 0, max: 3 }),
  executors: fc.integer({ min: 1, max: 2 }),
});
const draws = fc.array(fc.nat(), { maxLength: 400, size: "max" });

test("whatever happens, the planner stays within the budget, evicts nothing in use, overtakes no job more than sixteen times and comes to an end", () => {
  fc.assert(
    fc.property(shape, draws, ({ policy, ...rest }, steps) => {
      // The world itself throws where something in use is evicted, something is loaded twice or a wait is for nothing.
      const world = createPlannerWorld({ policy: POLICIES[policy], ...rest });
      for (const draw of steps) world.step(draw);
      world.drain();
      const { oom, overBudget, maxOvertaken } = world.counts();
      expect({ oom, overBudget }).toEqual({ oom: 0, overBudget: 0 });
      expect(maxOvertaken).toBeLessThanOrEqual(POLICIES[policy].overtakesMax);
    }),
    { numRuns: 300 },
  );
});

test("the random steps of the long run reach the bounds they are to check", () => {
  const { oom, over_budget, max_overtaken, finished_jobs } = runRandomSteps(30_000, { seed: 7 });
  expect({ oom, over_budget, max_overtaken }).toEqual({ oom: 0, over_budget: 0, max_overtaken: 16 });
  expect(finished_jobs).toBeGreaterThan(1_000);
});
