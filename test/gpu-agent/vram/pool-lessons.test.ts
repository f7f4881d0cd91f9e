/** What went wrong in other systems that share a device among models, each as a promise of the pool on a device. */
import { expect, test } from "vitest";
import { POLICIES } from "#agent/vram/policy-table.ts";
import { createPoolWorld, stageOf, type PoolWorld } from "./pool-world.ts";

const never = new AbortController().signal;

/** Where each of these stands in the story, in the order they are named. */
function orderOf({ story }: PoolWorld, ...words: readonly string[]): number[] {
  return words.map((each) => story.lastIndexOf(each));
}

function loadsOf({ story }: PoolWorld): number {
  return story.filter((words) => words.endsWith("→promoting")).length;
}

test("Ollama 17408: a victim that is asked for again while it drains is loaded again, and nobody waits for ever", async () => {
  const world = createPoolWorld({ models: { victim: 6, other: 6 }, deviceBytes: 10, slowMs: 5_000 });
  const first = world.use(stageOf("victim"), 10);
  await world.clock.advance(1_000);
  await first;
  const other = world.use(stageOf("other"), 10);
  await world.clock.advance(200);
  expect(world.story.at(-1)).toBe("waiting draining");
  const again = world.use(stageOf("victim", { job: "again" }), 10);
  await world.clock.advance(10_000);
  expect(await Promise.all([other, again])).toEqual(["other", "victim"]);
  world.check();
});

test("Ollama: after an unload the next model is loaded when the device no longer holds the memory, not before", async () => {
  const world = createPoolWorld({
    models: { leaving: 6, next: 6 },
    deviceBytes: 10,
    slowMs: 5_000,
    mishap: (doing) => (doing === "release" ? "slow" : undefined),
  });
  const first = world.use(stageOf("leaving"), 10);
  await world.clock.advance(1_000);
  await first;
  const next = world.use(stageOf("next"), 10);
  await world.clock.advance(4_900);
  expect(world.story).not.toContain("leaving draining→warm");
  expect(world.story).not.toContain("next warm→promoting");
  await world.clock.advance(1_000);
  expect(await next).toBe("next");
  expect(world.device.seen.overflows).toBe(0);
});

test("memory that does not come back in time costs the worker, not the queue", async () => {
  const world = createPoolWorld({
    models: { leaving: 6, next: 6 },
    deviceBytes: 10,
    mishap: (doing) => (doing === "release" ? "hang" : undefined),
  });
  const first = world.use(stageOf("leaving"), 10);
  await world.clock.advance(1_000);
  await first;
  const next = world.use(stageOf("next"), 10);
  await world.clock.advance(12_000);
  expect(await next).toBe("next");
  const places = orderOf(
    world,
    "leaving draining→poisoned",
    "recycle started",
    "recycle done",
    "granted next",
  );
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(places[0]).toBeGreaterThan(0);
});

test("Triton 3583: an unload is asked for, and over, before the load that needs its memory is", async () => {
  const world = createPoolWorld({ models: { idle: 6, next: 6 }, deviceBytes: 10 });
  const idle = world.use(stageOf("idle"), 10);
  await world.clock.advance(1_000);
  await idle;
  const next = world.use(stageOf("next"), 10);
  await world.clock.advance(3_000);
  await next;
  const places = orderOf(world, "idle hot→draining", "idle draining→warm", "next warm→promoting");
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(places[0]).toBeGreaterThan(0);
});

test("InvokeAI 7513: what was handed over stays until it is given back, used or not, whoever wants its memory", async () => {
  const world = createPoolWorld({ models: { mine: 6, greedy: 9 }, deviceBytes: 10, executors: 2 });
  const taken = world.pool.take(stageOf("mine"), never);
  const greedy = world.use(stageOf("greedy"), 10);
  await world.clock.advance(3_600_000);
  const lease = await taken;
  expect(world.story).not.toContain("mine hot→draining");
  const ran = lease.run({ activationBytes: 0, ms: 10 }, never);
  await world.clock.advance(10);
  expect((await ran).answer).toBe("mine");
  await lease[Symbol.asyncDispose]();
  await world.clock.advance(3_000);
  expect(await greedy).toBe("greedy");
});

test("Ray Serve: two groups of users by turns share the device sixteen at a time, not one by one", async () => {
  const loads = async (policy: keyof typeof POLICIES): Promise<number> => {
    const world = createPoolWorld({ models: { a: 6, b: 6 }, deviceBytes: 10, policy: POLICIES[policy] });
    const uses = Array.from({ length: 64 }, (_, nth) =>
      world.use(stageOf(nth % 2 === 0 ? "a" : "b", { job: `j${nth}` }), 10),
    );
    await world.clock.advance(600_000);
    await Promise.all(uses);
    return loadsOf(world);
  };
  expect(await loads("lru")).toBe(64);
  expect(await loads("lookahead")).toBeLessThanOrEqual(64 / 16 + 1);
});

test("ModelMesh: after three failed loads a model is refused at once for a quarter of an hour, and the others go on", async () => {
  let isDamaged = true;
  const world = createPoolWorld({
    models: { broken: 4, sound: 4 },
    deviceBytes: 10,
    mishap: (doing, model) => (doing === "open" && model === "broken" && isDamaged ? "invalid" : undefined),
  });
  const ask = async (): Promise<unknown> => {
    const refused = expect(world.use(stageOf("broken"), 10)).rejects.toMatchObject({ code: "model_invalid" });
    await world.clock.advance(2_000);
    return await refused;
  };
  for (let tries = 0; tries < 4; tries += 1) await ask();
  expect(loadsOf(world)).toBe(3);
  expect(world.story.filter((words) => words === "rejected broken")).toHaveLength(1);
  const sound = world.use(stageOf("sound"), 10);
  await world.clock.advance(2_000);
  expect(await sound).toBe("sound");
  isDamaged = false;
  await world.clock.advance(15 * 60_000);
  const mended = world.use(stageOf("broken"), 10);
  await world.clock.advance(2_000);
  expect(await mended).toBe("broken");
});
