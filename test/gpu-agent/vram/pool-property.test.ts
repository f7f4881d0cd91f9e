import fc from "fast-check";
import { expect, test } from "vitest";
import { POLICIES, type PolicyName } from "#agent/vram/policy-table.ts";
import type { ExpectedJob, ExpectedStage } from "#agent/vram/pool-queue.ts";
import type { Mishap } from "#agent/vram/simulated-device.ts";
import { Fault } from "#shared/domain/fault.ts";
import { createPoolWorld, type PoolWorld } from "./pool-world.ts";

const MISHAPS: readonly Mishap[] = ["memory", "invalid", "hang", "slow", "crash"];
const JOBS_MAX = 8;
/** The longest anything may take until it counts as hung, several times over. */
const PATIENCE_MS = 3 * 3_600_000;

/** Otherwise the promise would be an empty one. */
const TO_BE_REACHED = [
  "m hot→draining",
  "m promoting→draining",
  "m promoting→poisoned",
  "m leased→poisoned",
  "m draining→poisoned",
  "recycle failed",
  "rejected m",
];

const shape = fc.record({
  policy: fc.constantFrom(...(Object.keys(POLICIES) as PolicyName[])),
  sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
  isFirstPinned: fc.boolean(),
  deviceBytes: fc.integer({ min: 8, max: 20 }),
  reserveBytes: fc.integer({ min: 0, max: 2 }),
  executors: fc.integer({ min: 1, max: 2 }),
  slowMs: fc.constantFrom(2_000, 60_000),
});
const draws = fc.array(fc.nat(), { maxLength: 120, size: "max" });
/** Out of fifty; what is no mishap's number goes well. */
const luck = fc.array(fc.nat(49), { minLength: 1, maxLength: 100, size: "max" });

interface Job extends ExpectedJob {
  stages: ExpectedStage[];
  readonly stop: AbortController;
}

test("whatever the device does, no budget is exceeded, nothing held is evicted, no model is open twice and every lease comes back", async () => {
  const reached = new Set<string>();
  await fc.assert(
    fc.asyncProperty(shape, draws, luck, async ({ policy, sizes, isFirstPinned, ...rest }, steps, fates) => {
      let at = 0;
      let isCalm = false;
      const world = createPoolWorld({
        ...rest,
        policy: POLICIES[policy],
        models: Object.fromEntries(sizes.map((bytes, nth) => [`m${nth}`, bytes])),
        pinned: isFirstPinned ? ["m0"] : [],
        mishap: () => (isCalm ? undefined : MISHAPS[fates[at++ % fates.length]!]),
      });
      const jobs = new Set<Job>();
      const errors: unknown[] = [];
      for (const [nth, draw] of steps.entries()) {
        await step(world, jobs, { nth, draw, sizes, errors });
        world.check();
      }
      isCalm = true;
      await world.clock.advance(PATIENCE_MS);
      expect(jobs.size).toBe(0);
      expect(errors).toEqual([]);
      for (const words of world.story) reached.add(words.replace(/m\d/, "m"));
      const count = (kind: string): number => world.events.filter((event) => event.kind === kind).length;
      expect(count("returned")).toBe(count("granted"));
      const closing = world.pool[Symbol.asyncDispose]();
      await world.clock.advance(PATIENCE_MS);
      await closing;
      expect(world.device.seen.heldBytes).toBe(0);
    }),
    { numRuns: 300 },
  );
  for (const words of TO_BE_REACHED) expect(reached).toContain(words);
});

/** A job comes, or is stopped, or time passes. */
async function step(
  { pool, clock, use }: PoolWorld,
  jobs: Set<Job>,
  { nth, draw, sizes, errors }: { nth: number; draw: number; sizes: readonly number[]; errors: unknown[] },
): Promise<void> {
  const shape = draw >> 3;
  if (draw % 8 < 3 && jobs.size < JOBS_MAX) {
    const job: Job = {
      id: `j${nth}`,
      stop: new AbortController(),
      stages: Array.from({ length: 1 + (shape % 4) }, (_, at) => ({
        id: `s${at}`,
        model: `m${(shape + at * 5) % sizes.length}`,
        activationBytes: (shape >> at) % 3,
      })),
    };
    jobs.add(job);
    pool.expect([...jobs]);
    void serve(job);
  } else if (draw % 8 === 3) [...jobs][shape % Math.max(1, jobs.size)]?.stop.abort(new Error("stopped"));
  else if (draw % 8 === 4 && shape % 4 === 0) void pool.evictIdle();
  else if (draw % 8 === 4 && shape % 4 === 1) void pool.replaceWorker();
  else await clock.advance(shape % 1_500);

  async function serve(job: Job): Promise<void> {
    try {
      while (job.stages.length > 0) {
        const { id, ...stage } = job.stages[0]!;
        await use({ job: job.id, stage: id, ...stage }, 300, job.stop.signal);
        job.stages = job.stages.slice(1);
        pool.expect([...jobs]);
      }
    } catch (error) {
      if (!(error instanceof Fault) && error !== job.stop.signal.reason) errors.push(error);
    } finally {
      jobs.delete(job);
      pool.expect([...jobs]);
    }
  }
}
