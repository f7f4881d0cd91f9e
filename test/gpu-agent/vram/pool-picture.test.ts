import { expect, test } from "vitest";
import { pictureAt } from "#agent/vram/picture-after.ts";
import { PICTURE_LIMITS, PoolPicture } from "#agent/vram/pool-picture.ts";
import { holdsMemory } from "#agent/vram/pool-state.ts";
import type { Mishap } from "#agent/vram/simulated-device.ts";
import { createPictureWorld, CROWDED, keepBusy } from "./picture-world.ts";
import { stageOf } from "./pool-world.ts";

test("after every event the picture says of each model what the pool says, whatever goes wrong", async () => {
  const fates: Readonly<Record<number, Mishap>> = { 3: "crash", 6: "memory", 9: "slow", 13: "invalid" };
  let at = 0;
  let steps = 0;
  const held = new Set<string>();
  const reached = new Set<string>();
  const world = createPictureWorld(
    { ...CROWDED, executors: 2, mishap: () => fates[at++ % 14] },
    (event, state, picture) => {
      steps += 1;
      if (event.kind === "granted") held.add(`${event.job} ${event.model}`);
      if (event.kind === "returned") held.delete(`${event.job} ${event.model}`);
      const phases = picture.models.map(({ id, phase, bytes }) => ({ id, phase, bytes }));
      expect(phases).toEqual(state.models.map(({ id, phase, bytes }) => ({ id, phase, bytes })));
      expect(picture.leases.map(({ job, model }) => `${job} ${model}`)).toEqual([...held]);
      // Each stage of this work reserves one byte for its activations.
      const sessions = phases.reduce((sum, { phase, bytes }) => sum + (holdsMemory(phase) ? bytes : 0), 0);
      expect(picture.usedBytes).toBe(sessions + state.activationBytes);
      expect(PoolPicture.parse(JSON.parse(JSON.stringify(picture)))).toEqual(picture);
      for (const { phase } of phases) reached.add(phase);
    },
  );
  await keepBusy(world);
  world.check();
  expect(steps).toBe(world.events.length);
  expect(reached).toEqual(
    new Set(["cold", "warming", "warm", "promoting", "hot", "leased", "draining", "poisoned"]),
  );
  const { counters } = world.picture();
  const count = (words: RegExp): number => world.story.filter((each) => words.test(each)).length;
  expect(counters).toMatchObject({
    grants: count(/^granted/),
    loads: count(/promoting→hot/),
    failedLoads: count(/promoting→(draining|poisoned)|warming→cold/),
    readAheads: count(/cold→warming/),
    evictions: count(/hot→draining/),
    recycles: count(/recycle done/),
  });
  for (const name of ["failedLoads", "evictions", "recycles"] as const)
    expect(counters[name]).toBeGreaterThan(0);
});

test("a stage that waited for its load is no hit, and its wait is a stall; the next use of the model is a hit", async () => {
  const world = createPictureWorld({ models: { a: 6 }, deviceBytes: 10 });
  for (let nth = 0; nth < 3; nth += 1) {
    const use = world.use(stageOf("a", { job: `j${nth}` }), 40);
    await world.clock.advance(1_000);
    await use;
  }
  const { counters, models } = world.picture();
  expect(counters).toMatchObject({ grants: 3, hits: 2, loads: 1, prefetches: 0, evictions: 0 });
  expect(models[0]).toMatchObject({ uses: 3, loads: 1, loadMs: 100, phase: "hot" });
  // Nothing else was there to run while the first one waited.
  const waits = world.events.flatMap((event) => (event.kind === "granted" ? [event.waitedMs] : []));
  expect(waits[0]).toBeGreaterThanOrEqual(100);
  expect(waits).toEqual([counters.stallMs, 0, 0]);
});

test("what is loaded while something else runs is a prefetch, and who then takes it has not waited", async () => {
  const world = createPictureWorld({ models: { now: 4, next: 4 }, deviceBytes: 10 });
  const stages = ["now", "next"].map((model) => ({ id: model, model, activationBytes: 1 }));
  world.pool.expect([{ id: "job", stages }]);
  const now = world.use({ job: "job", stage: "now", model: "now", activationBytes: 1 }, 5_000);
  const other = world.use({ job: "other", stage: "next", model: "next", activationBytes: 1 }, 100);
  await world.clock.advance(10_000);
  await Promise.all([now, other]);
  const { counters } = world.picture();
  expect(counters).toMatchObject({ grants: 2, hits: 1, loads: 2, prefetches: 1 });
});

test("a stall that goes on is as long as it is looked at, and ends with the grant", async () => {
  const world = createPictureWorld({ models: { a: 6 }, deviceBytes: 10, mishap: hangsOnce("open") });
  const use = world.use(stageOf("a"), 10).catch(() => undefined);
  await world.clock.advance(30_000);
  const before = world.picture();
  expect(before).toMatchObject({ waitsFor: "loading", counters: { grants: 0 } });
  const later = pictureAt(before, before.atMs + 7_000);
  expect(later.counters.stallMs - before.counters.stallMs).toBe(7_000);
  expect(pictureAt(later, before.atMs)).toBe(later);
  await world.clock.advance(900_000);
  await use;
  const after = world.picture();
  expect(after.waitsFor).toBe("demand");
  expect(pictureAt(after, after.atMs + 7_000).counters).toEqual(after.counters);
});

function hangsOnce(doing: string): (at: string) => Mishap | undefined {
  let isLeft = true;
  return (at) => {
    if (at !== doing || !isLeft) return undefined;
    isLeft = false;
    return "hang";
  };
}

test("the last evictions are kept with their reason, and no more of them than promised", async () => {
  const world = createPictureWorld({ models: { a: 6, b: 6 }, deviceBytes: 10 });
  const rounds = PICTURE_LIMITS.evictions + 5;
  for (let nth = 0; nth < rounds; nth += 1) {
    const use = world.use(stageOf(nth % 2 === 0 ? "a" : "b", { job: `j${nth}` }), 10);
    await world.clock.advance(5_000);
    await use;
  }
  const { evictions, counters, models } = world.picture();
  expect(counters.evictions).toBe(rounds - 1);
  expect(evictions).toHaveLength(PICTURE_LIMITS.evictions);
  expect(evictions.at(-1)).toMatchObject({ model: "b", why: "evicted for a" });
  expect(models.find(({ id }) => id === "b")?.evicted).toEqual({
    atMs: evictions.at(-1)!.atMs,
    why: "evicted for a",
  });
});

test("rejected stages and overtaken jobs are counted", async () => {
  const world = createPictureWorld({ models: { a: 6, b: 6, huge: 20 }, deviceBytes: 10 });
  const refused = world.use(stageOf("huge"), 10).catch((error: unknown) => error);
  await world.clock.advance(10);
  expect(await refused).toMatchObject({ code: "memory_insufficient" });
  const order = ["a", "b", "a", "a"];
  const uses = order.map((model, nth) => world.use(stageOf(model, { job: `j${nth}` }), 500));
  await world.clock.advance(20_000);
  await Promise.all(uses);
  const { counters, overtaken } = world.picture();
  expect(counters).toMatchObject({ rejected: 1, grants: 4 });
  // Both later stages on the model that is loaded go past the one that waits for the other.
  expect(overtaken.slice(0, 3)).toEqual([2, 2, 0]);
});
