import { expect, test } from "vitest";
import { openFootprints } from "#agent/vram/footprint-file.ts";
import { temporaryFolder } from "./image/picture-fixture.ts";
import {
  checkWorld,
  createMemoryFootprints,
  GIBIBYTE,
  openPooledWorld,
  settled,
  TILE_PIXELS,
} from "./pooled-world.ts";
import { digestOf, type Fate } from "./simulated-worker.ts";

const done = { type: "done" };
const failedAs = (failure: string) => ({ type: "failed", result: { failure } });

/** Lets something happen the first time that it is asked for, and no more. */
function once(isMeant: (...ask: Parameters<Fate>) => boolean, what: ReturnType<Fate>): Fate {
  let isLeft = true;
  return (doing, at) => {
    if (!isLeft || !isMeant(doing, at)) return undefined;
    isLeft = false;
    return what;
  };
}

test("a stage gets its models one after the other, and gives them back", async () => {
  await using world = await openPooledWorld({ models: { a: 2, b: 2 }, budgetGibibytes: 8 });
  expect(await world.run(["a", "b"])).toMatchObject(done);
  expect(world.events.filter(({ kind }) => kind === "returned")).toHaveLength(2);
  expect(world.state().models.map(({ phase }) => phase)).toEqual(["hot", "hot"]);
  expect(world.worker.hot()).toEqual(["a", "b"]);
  checkWorld(world);
});

test("a stage may take the same model again right after it has given it back", async () => {
  await using world = await openPooledWorld({ models: { a: 2 }, budgetGibibytes: 8 });
  expect(await world.run(["a", "a"])).toMatchObject(done);
  expect(world.process.seen.told).toEqual([
    `granted 1 of ${TILE_PIXELS} px`,
    `granted 2 of ${TILE_PIXELS} px`,
  ]);
});

test("a stage that is stopped while it waits for its model leaves nothing behind", async () => {
  await using world = await openPooledWorld({ models: { a: 2, b: 2 }, budgetGibibytes: 8 });
  const stop = new AbortController();
  const stopped = world.begin(["a"], {}, stop.signal);
  await world.clock.advance(500);
  stop.abort();
  await world.clock.advance(10);
  expect(await stopped).toEqual({ type: "aborted" });
  expect(await world.run(["b"])).toMatchObject(done);
  expect(world.events.filter(({ kind }) => kind === "granted")).toMatchObject([{ model: "b" }]);
  expect(world.state().models[1]?.phase).toBe("hot");
  checkWorld(world);
});

test("a stage that is stopped between two tiles gives its model back", async () => {
  await using world = await openPooledWorld({ models: { a: 2 }, budgetGibibytes: 8 });
  const stop = new AbortController();
  const stopped = world.begin(["a"], {}, stop.signal);
  await world.clock.advance(3_600);
  stop.abort();
  await world.clock.advance(600);
  expect(await stopped).toEqual({ type: "aborted" });
  await world.clock.advance(0);
  expect(world.state().models[0]?.phase).toBe("hot");
});

test.each([{ hasSpare: true }, { hasSpare: false }])(
  "a worker that dies idle costs nothing but its models, whether a spare stands by or not: $hasSpare",
  async ({ hasSpare }) => {
    await using world = await openPooledWorld({ models: { a: 2, b: 2 }, budgetGibibytes: 8, hasSpare });
    await world.run(["a", "b"]);
    world.process.crash();
    await world.clock.advance(1);
    expect(world.worker.hot()).toEqual([]);
    await settled(world.clock, world.worker.ready(new AbortController().signal));
    expect(await world.run(["b", "a"])).toMatchObject(done);
    // The new process was not replaced by a pool that heard late.
    expect(world.process.generation()).toBe(2);
    expect(world.process.seen.begun).toHaveLength(2);
    checkWorld(world);
  },
);

test("a stage that begins before the pool has got over the worker's death is not killed by it", async () => {
  await using world = await openPooledWorld({ models: { a: 2 }, budgetGibibytes: 8, hasSpare: true });
  await world.run(["a"]);
  await world.clock.advance(10_000);
  world.process.crash();
  await world.clock.advance(1);
  expect(await world.run(["a"])).toMatchObject(done);
  expect(world.process.seen.begun).toEqual(["job_1 upscale in process 1", "job_1 upscale in process 2"]);
});

test.each([
  ["while it opens a model", (doing: string) => doing === "open"],
  ["while a stage runs a model", (doing: string) => doing === "tile"],
  ["between two models of a stage", (doing: string) => doing === "between"],
])(
  "a worker that dies %s is reported as dead, is begun nowhere again, and the next stage works",
  async (_when, isMeant) => {
    for (const hasSpare of [true, false]) {
      const world = await openPooledWorld({
        models: { a: 2, b: 2 },
        budgetGibibytes: 8,
        hasSpare,
        fileOf: () => ({ readMs: 100, openMs: 100 }),
        fate: once(isMeant, "crash"),
      });
      expect(await world.run(["a", "b"])).toEqual({ type: "died", how: "signal SIGSEGV" });
      expect(world.process.seen.begun).toHaveLength(1);
      await settled(world.clock, world.worker.ready(new AbortController().signal));
      expect(await world.run(["a", "b"])).toMatchObject(done);
      expect(world.process.seen.begun).toHaveLength(2);
      expect(world.process.generation()).toBe(2);
      checkWorld(world);
      await world[Symbol.asyncDispose]();
    }
  },
);

test("a worker that dies while its memory is measured for a load is not taken for the one that the load was meant for", async () => {
  let isSlow = false;
  await using world = await openPooledWorld({
    models: { a: 2, b: 2 },
    budgetGibibytes: 8,
    hasSpare: true,
    async memoryOf(process, pid) {
      const bytes = await process.memoryOf(pid);
      if (isSlow) await world.clock.sleep(200);
      return bytes;
    },
  });
  await world.run(["a"]);
  await world.clock.advance(10_000);
  isSlow = true;
  const lost = world.begin(["b"]);
  await world.clock.advance(100);
  world.process.crash();
  await world.clock.advance(500);
  isSlow = false;
  expect(await lost).toMatchObject({ type: "died" });
  expect(await world.run(["b", "a"])).toMatchObject(done);
  checkWorld(world);
});

test("what was decided for a stage of a dead process never reaches the next one, whose uses have the same numbers", async () => {
  // The memory of what is evicted comes back so late that the worker dies before.
  await using world = await openPooledWorld({
    models: { a: 1, b: 1 },
    budgetGibibytes: 8,
    hasSpare: true,
    slowMs: 3_000,
    fate: (doing, { model, generation }) => {
      if (generation > 1) return undefined;
      if (doing === "release") return "slow";
      return doing === "tile" && model === "a" ? "memory" : undefined;
    },
  });
  await world.run(["b"]);
  const lost = world.begin(["a"]);
  while (!world.lines.some((line) => line.includes("evict-idle"))) await world.clock.advance(10);
  world.process.crash();
  await world.clock.advance(2);
  expect(await lost).toMatchObject({ type: "died" });
  const before = world.process.seen.told.length;
  expect(await world.run(["b"])).toMatchObject(done);
  expect(world.process.seen.told.slice(before)).toEqual([`granted 1 of ${TILE_PIXELS} px`]);
});

test("a run without memory is given smaller tiles; what was learnt holds for the next stage, and for the next life of the agent", async () => {
  await using folder = await temporaryFolder();
  const path = folder.path("footprints.json");
  const fate: Fate = (doing, { tilePixels }) =>
    doing === "tile" && tilePixels > TILE_PIXELS / 4 ? "memory" : undefined;
  const live = async (): Promise<string[]> => {
    const footprints = await openFootprints({ path, onProblem: (problem) => expect.unreachable(problem) });
    const world = await openPooledWorld({ models: { a: 2 }, budgetGibibytes: 8, fate, footprints });
    expect(await world.run(["a"])).toMatchObject(done);
    expect(await world.run(["a"])).toMatchObject(done);
    expect(footprints.of(digestOf("a")).tilePixelsMax).toBe(TILE_PIXELS / 4);
    await world[Symbol.asyncDispose]();
    await footprints[Symbol.asyncDispose]();
    return world.process.seen.told.map((words) => words.split(" ")[3]!);
  };
  expect(await live()).toEqual(["65536", "32768", "16384", "16384"]);
  expect(await live()).toEqual(["16384", "16384"]);
});

test("where memory lacks at every size, the idle are evicted, then the worker is replaced, and then the stage fails as gpu_oom", async () => {
  const footprints = createMemoryFootprints();
  await using world = await openPooledWorld({
    models: { a: 2, b: 2 },
    budgetGibibytes: 8,
    hasSpare: true,
    footprints,
    fate: (doing, { model }) => (doing === "tile" && model === "a" ? "memory" : undefined),
  });
  await world.run(["b"]);
  expect(await world.run(["a"])).toMatchObject(failedAs("gpu_oom"));
  const steps = world.lines.flatMap((line) => (JSON.parse(line) as { step?: string }).step ?? []);
  expect(steps).toEqual(["smaller-tile", "smaller-tile", "smaller-tile", "evict-idle", "recycle", "fail"]);
  const moves = world.events.flatMap((event) => {
    if (event.kind === "recycle") return [`recycle ${event.is}`];
    return event.kind === "phase" && event.model === "b" && event.from === "hot" ? [`b ${event.to}`] : [];
  });
  expect(moves).toEqual(["b leased", "b draining", "recycle started", "recycle done"]);
  // The stage was begun anew, once.
  expect(world.process.seen.begun.slice(1)).toEqual([
    "job_1 upscale in process 1",
    "job_1 upscale in process 2",
  ]);
  expect(await world.run(["b"])).toMatchObject(done);
  checkWorld(world);
});

test("what only a fresh worker can do is done there, and costs the job no failure", async () => {
  await using world = await openPooledWorld({
    models: { a: 2 },
    budgetGibibytes: 8,
    hasSpare: true,
    fate: (doing, { generation }) => (doing === "tile" && generation === 1 ? "memory" : undefined),
  });
  expect(await world.run(["a"])).toMatchObject(done);
  expect(world.process.generation()).toBe(2);
  expect(world.process.seen.begun).toHaveLength(2);
  checkWorld(world);
});

test.each([
  { isProcessor: false, gibibytes: 0.2, outcome: done, uses: 32 },
  { isProcessor: true, gibibytes: 0.2, outcome: failedAs("gpu_oom"), uses: 0 },
  { isProcessor: false, gibibytes: 0.3, outcome: failedAs("gpu_oom"), uses: 0 },
])(
  "the processor is the last resort of small models, unless it is the device: $gibibytes GiB, $isProcessor",
  async ({ isProcessor, gibibytes, outcome, uses }) => {
    await using world = await openPooledWorld({
      models: { a: gibibytes },
      budgetGibibytes: 8,
      isProcessor,
      fate: (doing) => (doing === "tile" ? "memory" : undefined),
    });
    expect(await world.run(["a"])).toMatchObject(outcome);
    expect(world.process.seen.onProcessor).toBe(uses);
  },
);

test("memory that does not come back costs the worker, and its stage is begun anew rather than reported as crashed", async () => {
  await using world = await openPooledWorld({
    models: { a: 4, b: 4 },
    budgetGibibytes: 6,
    hasSpare: true,
    slowMs: 3_600_000,
    fate: once((doing) => doing === "release", "slow"),
  });
  expect(await world.run(["a", "b"])).toMatchObject(done);
  expect(world.process.seen.begun).toEqual(["job_1 upscale in process 1", "job_1 upscale in process 2"]);
  checkWorld(world);
});

test("a stage is begun anew twice at most", async () => {
  await using world = await openPooledWorld({
    models: { a: 4, b: 4 },
    budgetGibibytes: 6,
    hasSpare: true,
    slowMs: 3_600_000,
    fate: (doing) => (doing === "release" ? "slow" : undefined),
  });
  expect(await world.run(["a", "b"])).toMatchObject({ type: "died" });
  expect(world.process.seen.begun).toHaveLength(3);
});

test("a model larger than the budget is not offered; who takes it nevertheless is told its name, its need and the budget", async () => {
  await using world = await openPooledWorld({
    models: { a: 2, huge: 9 },
    declared: { bytesPerPixel: 1_024 },
    budgetGibibytes: 8,
  });
  const { models } = await world.worker.ready(new AbortController().signal);
  expect(models).toEqual(["a"]);
  expect(await world.run(["huge"])).toEqual({
    type: "failed",
    result: { failure: "gpu_oom", message: "The model huge needs 9224 MiB and this agent may use 8192 MiB." },
  });
  expect(await world.run(["a"])).toMatchObject(done);
});

test("a damaged model fails its stages as model_invalid, the fourth within 15 minutes at once, and no other", async () => {
  await using world = await openPooledWorld({
    models: { a: 2, bad: 2 },
    budgetGibibytes: 8,
    fate: (doing, { model }) => (doing === "open" && model === "bad" ? "invalid" : undefined),
  });
  const tries = (): number =>
    world.events.filter(
      (event) => event.kind === "phase" && event.model === "bad" && event.to === "promoting",
    ).length;
  for (let nth = 1; nth <= 4; nth += 1) {
    expect(await world.run(["bad"])).toMatchObject(failedAs("model_invalid"));
    expect(tries()).toBe(Math.min(3, nth));
    expect(await world.run(["a"])).toMatchObject(done);
  }
  await world.clock.advance(15 * 60_000);
  await world.run(["bad"]);
  expect(tries()).toBe(4);
});

test("a stage does not fail for a later stage's model that cannot be had", async () => {
  await using world = await openPooledWorld({
    models: { a: 2, bad: 2, huge: 9 },
    budgetGibibytes: 8,
    fate: (doing, { model }) => (doing === "open" && model === "bad" ? "invalid" : undefined),
  });
  for (let nth = 0; nth < 3; nth += 1) await world.run(["bad"]);
  for (const model of ["bad", "huge"]) {
    const ahead = [{ stage: "finish" as const, models: [model] }];
    const running = world.begin(["a"], { ahead });
    await world.clock.advance(1);
    world.worker.foresee([]);
    await settled(world.clock, running);
    expect(await running).toMatchObject(done);
  }
});

test("a load without memory fails its stage as gpu_oom, and the next one is tried", async () => {
  await using world = await openPooledWorld({
    models: { a: 2 },
    budgetGibibytes: 8,
    fate: once((doing) => doing === "open", "memory"),
  });
  expect(await world.run(["a"])).toMatchObject(failedAs("gpu_oom"));
  expect(await world.run(["a"])).toMatchObject(done);
  checkWorld(world);
});

test("the models of the stages to come are opened while a stage runs, so that these wait for nothing", async () => {
  await using world = await openPooledWorld({ models: { a: 2, b: 2 }, budgetGibibytes: 8 });
  expect(await world.run(["a"], { ahead: [{ stage: "finish", models: ["b"] }] })).toMatchObject(done);
  expect(await world.run(["b"], { stage: "finish" })).toMatchObject(done);
  expect(world.waits()).toEqual(["a 3000", "b 0"]);
});

test("what runs beside a load is not taken for a part of what is loaded", async () => {
  const footprints = createMemoryFootprints();
  await using world = await openPooledWorld({
    models: { a: 2, b: 2 },
    budgetGibibytes: 8,
    footprints,
    fileOf: () => ({ bytesPerPixel: 10_000, readMs: 0 }),
    // Beside the load of the second model, half a gigabyte is taken by runs of the first.
    tilesOf: () => ({ count: 4, ms: 2_000 }),
  });
  await world.run(["a"], { ahead: [{ stage: "finish", models: ["b"] }] });
  expect(world.waits()).toEqual(["a 1000"]);
  expect(world.worker.hot()).toEqual(["a", "b"]);
  expect(footprints.of(digestOf("a")).session).toEqual([2 * GIBIBYTE]);
  expect(footprints.of(digestOf("b")).session).toEqual([]);
});

test("so are the models of jobs that wait", async () => {
  await using world = await openPooledWorld({ models: { a: 2, b: 2 }, budgetGibibytes: 8 });
  const first = world.begin(["a"]);
  await world.clock.advance(10);
  world.worker.foresee([{ job: "job_2", stages: [{ stage: "upscale", models: ["b"] }] }]);
  await settled(world.clock, first);
  expect(await world.run(["b"], { job: "job_2" })).toMatchObject(done);
  expect(world.waits()).toEqual(["a 3000", "b 0"]);
});

test("what a job needs next is not evicted between two of its stages for jobs that wait behind it", async () => {
  await using world = await openPooledWorld({ models: { a: 3, b: 3, c: 3 }, budgetGibibytes: 7 });
  const first = world.begin(["a"], { ahead: [{ stage: "finish", models: ["b"] }] });
  await world.clock.advance(10);
  world.worker.foresee([{ job: "job_2", stages: [{ stage: "upscale", models: ["c", "a"] }] }]);
  await settled(world.clock, first);
  // The time that the report of one stage and the lease of the next take.
  await world.clock.advance(500);
  expect(await world.run(["b"], { stage: "finish" })).toMatchObject(done);
  expect(world.waits().at(-1)).toBe("b 0");
});

test("a job that was begun here is no longer foreseen by older word of it", async () => {
  await using world = await openPooledWorld({
    models: { a: 2, b: 2, c: 2 },
    budgetGibibytes: 5,
    policy: "lookahead",
  });
  const first = world.begin(["a"]);
  await world.clock.advance(10);
  world.worker.foresee([{ job: "job_2", stages: [{ stage: "upscale", models: ["b"] }] }]);
  await settled(world.clock, first);
  await world.run(["b"], { job: "job_2" });
  await world.run(["c"], { job: "job_3" });
  // Neither a nor b is known to be needed: nothing is opened for them.
  await world.clock.advance(5_000);
  const opened = world.events.flatMap((event) =>
    event.kind === "phase" && event.to === "promoting" ? [event.model] : [],
  );
  expect(opened).toEqual(["a", "b", "c"]);
});

test.each([
  ["while a stage runs", { hasSpare: true }, 4_000],
  ["while a model is opened", { hasSpare: false }, 1_000],
  ["while the worker is replaced", { hasSpare: false, startMs: 60_000 }, 71_000],
])("it can be closed %s, and twice", async (_when, options, afterMs) => {
  const world = await openPooledWorld({
    models: { a: 4, b: 4 },
    budgetGibibytes: 6,
    slowMs: 3_600_000,
    fate: (doing) => (doing === "release" ? "slow" : undefined),
    ...options,
  });
  await settled(world.clock, world.worker.ready(new AbortController().signal));
  const running = world.begin(["a", "b"]);
  await world.clock.advance(Math.min(afterMs, 17_000));
  const closing = Promise.all([world.worker[Symbol.asyncDispose](), world.worker[Symbol.asyncDispose]()]);
  await settled(world.clock, closing);
  expect(await running).toMatchObject({ type: "died" });
  await world.worker[Symbol.asyncDispose]();
  expect(world.process.sessions()).toBeUndefined();
});

test("a stage that is stopped while no worker can be started ends all the same", async () => {
  let isBroken = false;
  await using world = await openPooledWorld({
    models: { a: 2 },
    budgetGibibytes: 8,
    fate: (doing) => (doing === "tile" ? "memory" : doing === "start" && isBroken ? "crash" : undefined),
  });
  const stop = new AbortController();
  const running = world.begin(["a"], {}, stop.signal);
  isBroken = true;
  await world.clock.advance(60_000);
  expect(world.events.at(-1)).toMatchObject({ kind: "recycle" });
  stop.abort();
  await world.clock.advance(100);
  expect(await Promise.race([running, Promise.resolve("still running")])).toEqual({ type: "aborted" });
});

test("a stage whose worker was killed from outside is not begun anew, even where the pool wanted a new worker", async () => {
  await using world = await openPooledWorld({
    models: { a: 2 },
    budgetGibibytes: 8,
    fate: (doing, { generation }) => {
      if (doing === "tile" && generation === 1) return "memory";
      return undefined;
    },
  });
  const running = world.begin(["a"]);
  while (!world.events.some((event) => event.kind === "recycle")) await world.clock.advance(10);
  world.worker.kill();
  await settled(world.clock, running);
  await world.clock.advance(60_000);
  expect((await running).type).not.toBe("done");
  expect(world.process.seen.begun).toHaveLength(1);
});

test("a model that hangs while it is opened is given up in time, and its worker with it", async () => {
  await using world = await openPooledWorld({
    models: { a: 2 },
    budgetGibibytes: 8,
    hasSpare: true,
    fate: once((doing) => doing === "open", "hang"),
  });
  expect(await world.run(["a"])).toMatchObject(done);
  expect(world.process.seen.begun).toHaveLength(2);
  checkWorld(world);
});

test("releases that leave something behind add up to a new worker before the device is full", async () => {
  await using world = await openPooledWorld({
    models: { a: 4, b: 4 },
    budgetGibibytes: 6,
    hasSpare: true,
    fileOf: () => ({ residueBytes: 0.2 * GIBIBYTE }),
  });
  for (let nth = 0; nth < 10; nth += 1) expect(await world.run(["a", "b"])).toMatchObject(done);
  expect(world.process.generation()).toBeGreaterThan(1);
  expect(world.process.seen.overflows).toBe(0);
});
