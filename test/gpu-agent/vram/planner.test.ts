import { expect, test } from "vitest";
import { createPlanner } from "#agent/vram/planner.ts";
import { POLICIES } from "#agent/vram/policy-table.ts";
import { noteEviction, noteUse } from "#agent/vram/use-history.ts";
import { jobOf, placeOf, poolOf, wordsOf } from "./plan-fixture.ts";

const { lru, gdsf, lookahead } = POLICIES;
const ALL = Object.values(POLICIES);

test.each(Object.entries(POLICIES))(
  "%s runs a stage whose model is loaded, and loads one that is not",
  (_, policy) => {
    const pool = poolOf({ a: ["hot", 4], b: ["warm", 4] });
    const planner = createPlanner(policy);
    expect(wordsOf(pool, planner.plan(pool, [jobOf(pool, ["a"])]))).toEqual(["run a s0"]);
    expect(wordsOf(pool, planner.plan(pool, [jobOf(pool, ["b"])]))).toEqual(["load b"]);
  },
);

test("nothing to do is said as such", () => {
  for (const policy of ALL) {
    const pool = poolOf({ a: ["hot", 4] });
    expect(createPlanner(policy).plan(pool, [])).toEqual([{ kind: "wait", until: "demand" }]);
  }
});

test("a model larger than the budget is rejected with its name, its need and the budget, reserve and pins taken off", () => {
  const pool = poolOf(
    { huge: ["cold", 6], pinned: ["cold", 3, "pinned"], small: ["hot", 1] },
    { reserveBytes: 1 },
  );
  const jobs = [jobOf(pool, ["small", "huge"], { activationBytes: 1 }), jobOf(pool, ["small"])];
  expect(createPlanner(lookahead).plan(pool, jobs)).toEqual([
    {
      kind: "reject",
      job: jobs[0],
      stage: jobs[0]!.stages[1],
      reason: "too-large",
      modelId: "huge",
      needBytes: 7,
      budgetBytes: 6,
    },
  ]);
});

test("a pinned model may use what is kept for it, and is never evicted", () => {
  const pool = poolOf({ pinned: ["hot", 6, "pinned"], idle: ["hot", 3], next: ["warm", 4] });
  const planner = createPlanner(lru);
  expect(wordsOf(pool, planner.plan(pool, [jobOf(pool, ["pinned"])]))).toEqual(["run pinned s0"]);
  expect(wordsOf(pool, planner.plan(pool, [jobOf(pool, ["next"])]))).toEqual([
    "evict idle for next",
    "wait draining",
  ]);
});

test("activations are reserved: a stage whose tiles do not fit beside the idle models has one of them evicted", () => {
  const pool = poolOf({ a: ["hot", 4], b: ["hot", 4] });
  const large = [jobOf(pool, ["a"], { activationBytes: 5 })];
  const small = [jobOf(pool, ["a"], { activationBytes: 2 })];
  expect(wordsOf(pool, createPlanner(lru).plan(pool, large))).toEqual(["evict b for a", "wait draining"]);
  expect(wordsOf(pool, createPlanner(lru).plan(pool, small))).toEqual(["run a s0"]);
});

test("a model is loaded only where the activations of its stage will fit beside it", () => {
  const pool = poolOf({ idle: ["hot", 4], next: ["warm", 5] });
  const roomy = [jobOf(pool, ["next"], { activationBytes: 1 })];
  const tight = [jobOf(pool, ["next"], { activationBytes: 2 })];
  expect(wordsOf(pool, createPlanner(lru).plan(pool, roomy))).toEqual(["load next"]);
  expect(wordsOf(pool, createPlanner(lru).plan(pool, tight))).toEqual([
    "evict idle for next",
    "wait draining",
  ]);
});

test("the activations of a running stage count against a prefetch", () => {
  const pool = poolOf({ a: ["leased", 4], b: ["warm", 4] }, { isIdle: false, activationBytes: 3 });
  const jobs = [jobOf(pool, ["b"], { isRunning: true })];
  expect(wordsOf(pool, createPlanner(lookahead).plan(pool, jobs))).toEqual(["wait leased"]);
  const roomy = { ...pool, activationBytes: 2 };
  expect(wordsOf(pool, createPlanner(lookahead).plan(roomy, jobs))).toEqual(["prefetch b hot"]);
});

test("no more is evicted than has to be: a large victim spares the small ones chosen before it", () => {
  const pool = poolOf({ small: ["hot", 1], large: ["hot", 6], next: ["warm", 7] });
  for (const id of ["small", "large"]) noteUse(pool.history, placeOf(pool, id), { bytes: 1, reloadMs: 1 });
  const actions = createPlanner(lru).plan(pool, [jobOf(pool, ["next"])]);
  expect(wordsOf(pool, actions)).toEqual(["evict large for next", "wait draining"]);
});

test("lru evicts what was used longest ago", () => {
  const pool = poolOf({ old: ["hot", 5], young: ["hot", 5], next: ["warm", 5] });
  for (const id of ["young", "old", "young"])
    noteUse(pool.history, placeOf(pool, id), { bytes: 1, reloadMs: 1 });
  const actions = createPlanner(lru).plan(pool, [jobOf(pool, ["next"])]);
  expect(wordsOf(pool, actions)[0]).toBe("evict old for next");
});

test("gdsf keeps what is used often or costly to reload, until it has aged", () => {
  const pool = poolOf({ often: ["hot", 5], seldom: ["hot", 5], next: ["warm", 5] });
  const use = (id: string): void => noteUse(pool.history, placeOf(pool, id), { bytes: 5, reloadMs: 100 });
  const first = (): string => wordsOf(pool, createPlanner(gdsf).plan(pool, [jobOf(pool, ["next"])]))[0]!;
  for (const id of ["often", "often", "often", "seldom"]) use(id);
  expect(first()).toBe("evict seldom for next");
  // Others come and go, each used three times: the cache grows older than the old favourite.
  for (let turn = 0; turn < 3; turn += 1) use("next");
  noteEviction(pool.history, placeOf(pool, "next"));
  use("seldom");
  expect(first()).toBe("evict often for next");
});

test("lookahead evicts what no known stage needs, by GDSF, then what they need last", () => {
  const inOrder = createPlanner({ ...lookahead, overtakesMax: 0 });
  const first = (sketch: Parameters<typeof poolOf>[0]): string => {
    const pool = poolOf(sketch);
    const use = (id: string): void => noteUse(pool.history, placeOf(pool, id), { bytes: 3, reloadMs: 100 });
    for (const id of ["often", "often", "often", "seldom"]) use(id);
    return wordsOf(pool, inOrder.plan(pool, [jobOf(pool, ["next", "soon", "late"])]))[0]!;
  };
  const known = { soon: ["hot", 2], late: ["hot", 2], next: ["warm", 3] } as const;
  expect(first({ ...known, often: ["hot", 3], seldom: ["hot", 3] })).toBe("evict seldom for next");
  expect(first({ ...known, often: ["hot", 6], seldom: ["warm", 3] })).toBe("evict often for next");
  const tight = { soon: ["hot", 5], late: ["hot", 5], next: ["warm", 3] } as const;
  expect(first({ ...tight, often: ["warm", 3], seldom: ["warm", 3] })).toBe("evict late for next");
});

test("lookahead prefetches during a run, but displaces nothing needed sooner, nor for little gain", () => {
  const planner = createPlanner(lookahead);
  const busy = { isIdle: false };
  const sketch = poolOf({ now: ["leased", 4], soon: ["hot", 5], later: ["warm", 5] }, busy);
  // Ever so cheap to reload, and yet needed sooner.
  const cheap = sketch.models.map((model) => (model.id === "soon" ? { ...model, reloadMs: 1 } : model));
  const sooner = { ...sketch, models: cheap };
  expect(
    wordsOf(sooner, planner.plan(sooner, [jobOf(sooner, ["soon", "later"], { isRunning: true })])),
  ).toEqual(["wait leased"]);
  const little = poolOf({ now: ["leased", 4], next: ["warm", 5], after: ["hot", 5] }, busy);
  expect(
    wordsOf(little, planner.plan(little, [jobOf(little, ["next", "after"], { isRunning: true })])),
  ).toEqual(["wait leased"]);
  const unused = poolOf({ now: ["leased", 4], next: ["warm", 5], idle: ["hot", 5] }, busy);
  noteUse(unused.history, placeOf(unused, "idle"), { bytes: 5, reloadMs: 100 });
  unused.history.steps += 100;
  expect(wordsOf(unused, planner.plan(unused, [jobOf(unused, ["next"], { isRunning: true })]))).toEqual([
    "evict idle for next",
    "wait leased",
  ]);
});

test("a file that will be needed is read ahead beside everything else, where there is memory for it", () => {
  const pool = poolOf({ now: ["hot", 4], next: ["cold", 5] }, { warmFreeBytes: 5 });
  const jobs = [jobOf(pool, ["now", "next"])];
  expect(wordsOf(pool, createPlanner(lookahead).plan(pool, jobs))).toEqual([
    "prefetch next warm",
    "run now-next s0",
  ]);
  const full = { ...pool, warmFreeBytes: 4 };
  expect(wordsOf(pool, createPlanner(lookahead).plan(full, jobs))).toEqual(["run now-next s0"]);
});

test("files that nobody needs leave the memory for those that are, the longest unused first, and where it is overdrawn", () => {
  const pool = poolOf(
    { now: ["hot", 2], next: ["cold", 3], later: ["warm", 2], old: ["warm", 2], older: ["warm", 2] },
    { warmFreeBytes: 1 },
  );
  noteUse(pool.history, placeOf(pool, "old"), { bytes: 1, reloadMs: 1 });
  const planner = createPlanner(lookahead);
  const jobs = [jobOf(pool, ["now", "next", "later"])];
  expect(wordsOf(pool, planner.plan(pool, jobs))).toEqual([
    "cool older",
    "prefetch next warm",
    "run now-next-later s0",
  ]);
  const none = { ...pool, warmFreeBytes: -2 };
  expect(wordsOf(pool, planner.plan(none, jobs))).toEqual([
    "cool older",
    "cool old",
    "run now-next-later s0",
  ]);
});

test("a stage whose model is loaded goes first, until the oldest job has been overtaken sixteen times", () => {
  const pool = poolOf({ hot: ["hot", 5], other: ["warm", 6] });
  const planner = createPlanner(lookahead);
  const queue = (overtaken: number) => [jobOf(pool, ["other"], { overtaken }), jobOf(pool, ["hot"])];
  const jobs = queue(15);
  expect(planner.plan(pool, jobs)).toEqual([
    { kind: "run", job: jobs[1], stage: jobs[1]!.stages[0], overtaken: [jobs[0]] },
  ]);
  expect(wordsOf(pool, planner.plan(pool, queue(16)))).toEqual(["evict hot for other", "wait draining"]);
});

test("no job starves: in a stream that always brings work for the loaded model, a job waits for sixteen others at most", () => {
  const pool = poolOf({ hot: ["hot", 5], other: ["warm", 6] });
  const planner = createPlanner(lookahead);
  const victim = { ...jobOf(pool, ["other"]) };
  let runs = 0;
  for (let action = "run"; action.startsWith("run");) {
    const actions = planner.plan(pool, [victim, jobOf(pool, ["hot"]), jobOf(pool, ["hot"])]);
    action = wordsOf(pool, actions)[0]!;
    if (actions[0]?.kind === "run") victim.overtaken += actions[0].overtaken.length;
    runs += 1;
    expect(runs).toBeLessThan(100);
  }
  expect(victim.overtaken).toBe(16);
});

test("asked twice, the planner answers the same: it remembers nothing", () => {
  for (const policy of ALL) {
    const planner = createPlanner(policy);
    const pool = poolOf({ a: ["hot", 4], b: ["hot", 4], c: ["warm", 5] });
    const other = poolOf({ x: ["warm", 1] });
    const before = planner.plan(pool, [jobOf(pool, ["c", "a"])]);
    planner.plan(other, [jobOf(other, ["x"])]);
    expect(planner.plan(pool, [jobOf(pool, ["c", "a"])])).toEqual(before);
  }
});
