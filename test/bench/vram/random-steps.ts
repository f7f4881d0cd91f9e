import { POLICIES } from "#agent/vram/policy-table.ts";
import { seededRandom } from "../../chaos/seeded-random.ts";
import { createPlannerWorld } from "../../gpu-agent/vram/planner-world.ts";

export interface RandomStepsResult {
  readonly steps: number;
  /** Moments in which more was held than the device has, and than may be planned with. */
  readonly oom: number;
  readonly over_budget: number;
  readonly max_overtaken: number;
  readonly finished_jobs: number;
}

/** A world lives this long; then one of another shape takes its place. */
const STEPS_PER_WORLD = 1_000;

/**
 * The property test's world, for as many steps as asked: arrivals, ends of runs, loads and releases, failed loads,
 * poisoned models and replaced workers, in random order, on devices of random shape, under every policy by turns.
 * @throws Error where the planner breaks a promise.
 */
export function runRandomSteps(
  steps: number,
  { seed, onProgress }: { readonly seed: number; readonly onProgress?: (done: number) => void },
): RandomStepsResult {
  const random = seededRandom(seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  const policies = Object.values(POLICIES);
  const result = { steps, oom: 0, over_budget: 0, max_overtaken: 0, finished_jobs: 0 };
  for (let done = 0, nth = 0; done < steps; nth += 1) {
    const world = createPlannerWorld({
      policy: policies[nth % policies.length]!,
      models: Array.from({ length: 2 + below(30) }, () => ({
        bytes: 1 + below(24),
        isPinned: random() < 0.05,
      })),
      deviceBytes: 22 + below(30),
      reserveBytes: below(3),
      executors: 1 + below(2),
    });
    const until = Math.min(steps, done + STEPS_PER_WORLD);
    for (; done < until; done += 1) world.step(below(2 ** 31));
    world.drain();
    const { oom, overBudget, maxOvertaken, finished } = world.counts();
    result.oom += oom;
    result.over_budget += overBudget;
    result.max_overtaken = Math.max(result.max_overtaken, maxOvertaken);
    result.finished_jobs += finished;
    onProgress?.(done);
  }
  return result;
}
