import { expect, test } from "vitest";
import type { Mishap } from "#agent/vram/simulated-device.ts";
import { createPoolWorld, stageOf, type WorldAsk } from "./pool-world.ts";

const never = new AbortController().signal;

/** Fails what is named the first time, and no more. */
function once(doing: string, model: string, what: Mishap): NonNullable<WorldAsk["mishap"]> {
  let isLeft = true;
  return (at, id) => {
    if (at !== doing || id !== model || !isLeft) return undefined;
    isLeft = false;
    return what;
  };
}

test("a model that many ask for at once is loaded once", async () => {
  const world = createPoolWorld({ models: { a: 6 }, deviceBytes: 10, executors: 2 });
  const uses = Array.from({ length: 20 }, (_, nth) => world.use(stageOf("a", { job: `j${nth}` }), 10));
  await world.clock.advance(10_000);
  await Promise.all(uses);
  expect(world.story.filter((words) => words === "a cold→promoting")).toHaveLength(1);
  world.check();
});

test("what the running job needs next is loaded while it runs", async () => {
  const world = createPoolWorld({ models: { now: 4, next: 4 }, deviceBytes: 10 });
  const stages = ["now", "next"].map((model) => ({ id: model, model, activationBytes: 1 }));
  world.pool.expect([{ id: "job", stages }]);
  const now = world.use({ job: "job", stage: "now", model: "now", activationBytes: 1 }, 5_000);
  await world.clock.advance(5_200);
  await now;
  const lease = world.pool.take({ job: "job", stage: "next", model: "next", activationBytes: 1 }, never);
  await world.clock.advance(1);
  const { waitedMs, ...held } = await lease;
  expect(waitedMs).toBe(0);
  await held[Symbol.asyncDispose]();
});

test("a model too large for the device is refused at once by its name, its need and what there is", async () => {
  const mebibyte = 2 ** 20;
  const world = createPoolWorld({
    models: { huge: 9 * mebibyte },
    deviceBytes: 10 * mebibyte,
    reserveBytes: mebibyte,
  });
  const refused = world.use(stageOf("huge", { activationBytes: mebibyte }), 10);
  await expect(refused).rejects.toMatchObject({
    code: "memory_insufficient",
    message: "The model huge needs 10 MiB and this agent may use 9 MiB.",
  });
  expect(world.story).toContain("rejected huge");
});

test("a pinned model stays, whoever else comes", async () => {
  const world = createPoolWorld({ models: { pinned: 4, b: 5, c: 5 }, pinned: ["pinned"], deviceBytes: 10 });
  for (const model of ["pinned", "b", "c", "b", "c"]) {
    const use = world.use(stageOf(model), 10);
    await world.clock.advance(3_000);
    await use;
  }
  expect(world.story).not.toContain("pinned hot→draining");
});

test("who gives up waiting is neither served nor planned for", async () => {
  const world = createPoolWorld({ models: { a: 6, b: 6 }, deviceBytes: 10 });
  const a = world.use(stageOf("a"), 1_000);
  const patience = new AbortController();
  const b = expect(world.use(stageOf("b"), 10, patience.signal)).rejects.toThrow("gone");
  await world.clock.advance(600);
  patience.abort(new Error("gone"));
  await b;
  await world.clock.advance(3_000);
  await a;
  expect(world.story).not.toContain("b warm→promoting");
});

test("a load for which the device is too full fails for who waits, and its memory is looked after", async () => {
  const world = createPoolWorld({ models: { a: 6 }, deviceBytes: 10, mishap: once("open", "a", "memory") });
  const use = expect(world.use(stageOf("a"), 10)).rejects.toMatchObject({ code: "memory_exhausted" });
  await world.clock.advance(1_000);
  await use;
  expect(world.story).toContain("a promoting→draining");
  expect(world.pool.state().models[0]?.phase).toBe("warm");
});

test.each(["crash", "hang"] as const)(
  "a %s of a run ends that stage; the worker is replaced and the next one served",
  async (what) => {
    const world = createPoolWorld({
      models: { a: 4, b: 4 },
      deviceBytes: 10,
      mishap: once("run", "a", what),
    });
    const a = expect(world.use(stageOf("a"), 10)).rejects.toMatchObject({ code: "device_failed" });
    const b = world.use(stageOf("b"), 10);
    await world.clock.advance(700_000);
    await a;
    expect(await b).toBe("b");
    expect(world.story).toContain("a leased→poisoned");
    expect(world.device.seen.recycles).toBe(1);
    world.check();
  },
);

test("a run that is stopped ends with its reason and costs nothing else; one that cannot be stopped costs the worker", async () => {
  const stopped = async (mishap: WorldAsk["mishap"]): Promise<readonly string[]> => {
    const world = createPoolWorld({ models: { a: 4 }, deviceBytes: 10, ...(mishap && { mishap }) });
    const stop = new AbortController();
    const use = expect(world.use(stageOf("a"), 60_000, stop.signal)).rejects.toThrow(
      mishap === undefined ? "enough" : "A run of the model a did not end in time.",
    );
    await world.clock.advance(5_000);
    stop.abort(new Error("enough"));
    await world.clock.advance(30_000);
    await use;
    world.check();
    return world.story;
  };
  expect(await stopped(undefined)).not.toContain("recycle started");
  expect(await stopped(once("run", "a", "hang"))).toContain("recycle done");
});

test("jobs are served in the order they are expected in, not in the order their stages were asked for", async () => {
  const world = createPoolWorld({ models: { a: 6, b: 6 }, deviceBytes: 10 });
  const job = (model: string) => ({ id: `of ${model}`, stages: [{ id: "s0", model, activationBytes: 0 }] });
  world.pool.expect([job("b"), job("a")]);
  const uses = ["a", "b"].map((model) => world.use(stageOf(model), 10));
  await world.clock.advance(10_000);
  await Promise.all(uses);
  expect(world.story.filter((words) => words.startsWith("granted"))).toEqual(["granted b", "granted a"]);
});

test("a stage that takes a second model while it holds one is told, rather than left to wait for itself", async () => {
  const world = createPoolWorld({ models: { a: 4, b: 4 }, deviceBytes: 10 });
  const first = world.pool.take(stageOf("a"), never);
  await world.clock.advance(1_000);
  await using lease = await first;
  await expect(world.pool.take(stageOf("b", { job: "of a" }), never)).rejects.toThrow("gives its model back");
  expect(lease.waitedMs).toBeGreaterThan(0);
});

test("a worker that dies while it loads is replaced, however long that takes, and who waited is served", async () => {
  let failures = 2;
  const crash = once("open", "a", "crash");
  const world = createPoolWorld({
    models: { a: 4 },
    deviceBytes: 10,
    mishap(doing, model) {
      if (doing === "recycle" && failures > 0) return (failures -= 1) === 1 ? "hang" : "crash";
      return crash(doing, model);
    },
  });
  const use = world.use(stageOf("a"), 10);
  await world.clock.advance(100_000);
  expect(await use).toBe("a");
  expect(world.story.filter((words) => words === "recycle failed")).toHaveLength(2);
});

test("a model that kills the worker whenever it is loaded is left alone after three times", async () => {
  const world = createPoolWorld({
    models: { deadly: 4 },
    deviceBytes: 10,
    mishap: (doing) => (doing === "open" ? "crash" : undefined),
  });
  const use = expect(world.use(stageOf("deadly"), 10)).rejects.toMatchObject({ code: "device_failed" });
  await world.clock.advance(100_000);
  await use;
  expect(world.device.seen.recycles).toBe(3);
});

test("what releases leave behind comes out of the reserve; when that is used up, the worker is replaced", async () => {
  const world = createPoolWorld({
    models: { a: 6, b: 6 },
    deviceBytes: 12,
    reserveBytes: 2,
    residueBytes: 1,
  });
  for (const model of ["a", "b", "a", "b"]) {
    const use = world.use(stageOf(model), 10);
    await world.clock.advance(20_000);
    expect(await use).toBe(model);
  }
  expect(world.story.filter((words) => words.startsWith("residue of"))).toHaveLength(2);
  expect(world.story).toContain("a draining→poisoned");
  expect(world.device.seen).toMatchObject({ recycles: 1, heldBytes: 6 });
});

test("idle models are released when room is asked for, what is held or pinned stays", async () => {
  const world = createPoolWorld({
    models: { idle: 2, held: 2, pinned: 2 },
    pinned: ["pinned"],
    deviceBytes: 10,
    executors: 2,
  });
  const uses = [world.use(stageOf("pinned"), 10), world.use(stageOf("idle"), 10)];
  const held = world.use(stageOf("held"), 60_000);
  await world.clock.advance(5_000);
  await Promise.all(uses);
  const room = world.pool.evictIdle();
  await world.clock.advance(2_000);
  await room;
  expect(world.device.seen.heldBytes).toBe(4);
  await world.clock.advance(60_000);
  await held;
});

test("a worker is replaced on request when the leases are back, and the queue goes on", async () => {
  const world = createPoolWorld({ models: { a: 4 }, deviceBytes: 10 });
  const first = world.use(stageOf("a"), 5_000);
  await world.clock.advance(1_000);
  const replaced = world.pool.replaceWorker();
  const second = world.use(stageOf("a", { job: "second" }), 10);
  await world.clock.advance(10_000);
  await replaced;
  expect(await Promise.all([first, second])).toEqual(["a", "a"]);
  expect(world.device.seen.recycles).toBe(1);
});

test("a pool that is closed waits for its leases, gives all memory back and serves nobody after", async () => {
  const world = createPoolWorld({ models: { a: 4, b: 6 }, deviceBytes: 10 });
  const a = world.use(stageOf("a"), 5_000);
  const b = expect(world.use(stageOf("b"), 10)).rejects.toMatchObject({ code: "pool_closed" });
  await world.clock.advance(1_000);
  const closing = world.pool[Symbol.asyncDispose]();
  await b;
  await world.clock.advance(10_000);
  expect(await a).toBe("a");
  await closing;
  expect(world.device.seen.heldBytes).toBe(0);
  await expect(world.use(stageOf("a"), 10)).rejects.toMatchObject({ code: "pool_closed" });
});
