import fc from "fast-check";
import { expect, test } from "vitest";
import { POLICIES } from "#agent/vram/policy-table.ts";
import { cheapestWait, furthestUse, runOffline } from "../../bench/vram/belady.ts";
import { loadSecondsPerJob, optRatio, stallSecondsPerJob } from "../../bench/vram/measures.ts";
import { solveOptimum } from "../../bench/vram/optimum.ts";
import { fifoOrder, type RequestOrder } from "../../bench/vram/request-order.ts";
import { restorationMix } from "../../bench/vram/restoration-mix.ts";
import { simulate } from "../../bench/vram/simulation.ts";

const unhurried = { endsAt: Infinity, now: () => 0 };

/** The least load seconds, by trying every set of models that may stay after each use. */
function exhaustive({ uses, gigabytes, firstSeconds, againSeconds, budgetGigabytes }: RequestOrder): number {
  const sizeOf = (set: number): number =>
    gigabytes.reduce((sum, size, at) => ((set >> at) & 1 ? sum + size : sum), 0);
  let costs = new Map([[0, 0]]);
  const seen = new Set<number>();
  for (const model of uses) {
    const price = seen.has(model) ? againSeconds[model]! : firstSeconds[model]!;
    seen.add(model);
    const next = new Map<number, number>();
    for (const [set, cost] of costs) {
      const paid = (set >> model) & 1 ? cost : cost + price;
      const loaded = set | (1 << model);
      for (let subset = loaded; ; subset = (subset - 1) & loaded) {
        if ((subset >> model) & 1 && sizeOf(subset) <= budgetGigabytes)
          next.set(subset, Math.min(next.get(subset) ?? Infinity, paid));
        if (subset === 0) break;
      }
    }
    costs = next;
  }
  return Math.min(...costs.values());
}

test("the optimum is what trying everything finds, and no offline rule beats it", async () => {
  const model = fc.record({
    gigabytes: fc.integer({ min: 1, max: 5 }),
    seconds: fc.integer({ min: 1, max: 9 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(model, { minLength: 4, maxLength: 4 }),
      fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 14 }),
      async (models, uses) => {
        const order: RequestOrder = {
          uses,
          gigabytes: models.map(({ gigabytes }) => gigabytes),
          firstSeconds: models.map(({ seconds }) => 10 * seconds),
          againSeconds: models.map(({ seconds }) => seconds),
          budgetGigabytes: 7,
        };
        const { seconds, foundSeconds, unfinished } = await solveOptimum(order, unhurried);
        expect(unfinished).toBe(0);
        expect(seconds).toBeCloseTo(exhaustive(order), 1);
        expect(foundSeconds).toBeCloseTo(seconds, 1);
        for (const rule of [furthestUse, cheapestWait])
          expect(runOffline(order, rule).seconds).toBeGreaterThanOrEqual(seconds - 0.05);
      },
    ),
    { numRuns: 40 },
  );
});

test("a model that is loaded on demand is waited for as long as its load takes", () => {
  const mix = restorationMix({ jobs: 150, seed: 3 });
  const result = simulate(mix, { policy: POLICIES.lru, budgetGigabytes: 20 });
  expect(stallSecondsPerJob(result)).toBeCloseTo(loadSecondsPerJob(result), 6);
  expect(result.order).toEqual(fifoOrder(mix, 20).uses);
});

test("lookahead waits a quarter as long as LRU, and loads little more than the optimum in the order of arrival", async () => {
  const mix = restorationMix({ jobs: 400, seed: 1 });
  const stall = (policy: (typeof POLICIES)[keyof typeof POLICIES]): number =>
    stallSecondsPerJob(simulate(mix, { policy, budgetGigabytes: 20 }));
  expect(stall(POLICIES.lookahead)).toBeLessThanOrEqual(0.25 * stall(POLICIES.lru));
  const inOrder = simulate(mix, { policy: { ...POLICIES.lookahead, overtakesMax: 0 }, budgetGigabytes: 20 });
  const { seconds } = await solveOptimum(fifoOrder(mix, 20), unhurried);
  expect(optRatio(loadSecondsPerJob(inOrder) * mix.jobs.length, seconds)).toBeLessThanOrEqual(1.3);
});
