import fc from "fast-check";
import { expect, test } from "vitest";
import { createPool, FAILED_LOADS_MAX, FAILED_LOADS_MS, type Loaded, type Pool } from "#agent/vram/pool.ts";

/** A pool of things named by their size: "a40" takes 40. */
function trial(options: { budgetBytes: number; holdLoads?: boolean }) {
  const sizeOf = (id: string): number => Number(id.slice(1));
  const events: string[] = [];
  const held: (() => void)[] = [];
  const failing = new Set<string>();
  const alive = new Set<string>();
  let now = 0;
  let loading = 0;
  const pool: Pool<string> = createPool<string>({
    budgetBytes: options.budgetBytes,
    expectBytes: sizeOf,
    now: () => now,
    async load(id): Promise<Loaded<string>> {
      loading += 1;
      expect(loading).toBe(1);
      events.push(`load ${id}`);
      if (options.holdLoads === true) await new Promise<void>((resolve) => held.push(resolve));
      loading -= 1;
      if (failing.has(id)) throw new Error(`no ${id}`);
      alive.add(id);
      expect([...alive].reduce((sum, each) => sum + sizeOf(each), 0)).toBeLessThanOrEqual(
        options.budgetBytes,
      );
      return {
        value: id,
        bytes: sizeOf(id),
        release: async () => {
          events.push(`release ${id}`);
          alive.delete(id);
        },
      };
    },
  });
  const live = new AbortController().signal;
  return {
    pool,
    events,
    held,
    failing,
    alive,
    take: (id: string, signal: AbortSignal = live) => pool.take(id, signal),
    use: async (id: string) => (await pool.take(id, live))[Symbol.asyncDispose](),
    pass: (ms: number) => (now += ms),
    settle: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

test("what was used is hot, and taking it again loads nothing", async () => {
  const { use, take, events, pool } = trial({ budgetBytes: 100 });
  await use("a40");
  await using again = await take("a40");
  expect(again).toMatchObject({ value: "a40", waitedMs: 0 });
  expect(events).toEqual(["load a40"]);
  expect(pool.hot()).toEqual(["a40"]);
  expect(pool.usedBytes()).toBe(40);
});

test("the least recently used makes room, and no more than is needed goes", async () => {
  const { use, events, pool } = trial({ budgetBytes: 100 });
  for (const id of ["a40", "b30", "c30", "a40"]) await use(id);
  await use("d20");
  expect(events.at(-2)).toBe("release b30");
  expect(pool.hot()).toEqual(["d20", "a40", "c30"]);
});

test("what is leased is never evicted: the newcomer waits for the lease to end", async () => {
  const { take, events, settle } = trial({ budgetBytes: 100 });
  const first = await take("a60");
  const waiting = take("b60");
  await settle();
  expect(events).toEqual(["load a60"]);
  await first[Symbol.asyncDispose]();
  await using second = await waiting;
  expect(second.value).toBe("b60");
  expect(events).toEqual(["load a60", "release a60", "load b60"]);
});

test("ten who ask at once share one load", async () => {
  const { take, held, events, settle } = trial({ budgetBytes: 100, holdLoads: true });
  const all = Promise.all(Array.from({ length: 10 }, () => take("a40")));
  await settle();
  held.forEach((proceed) => proceed());
  expect(new Set((await all).map(({ value }) => value))).toEqual(new Set(["a40"]));
  expect(events).toEqual(["load a40"]);
});

test("what has just been loaded for somebody is theirs before it is evicted for the next", async () => {
  const { take, held, settle } = trial({ budgetBytes: 100, holdLoads: true });
  const first = take("a60");
  const second = take("b60");
  await settle();
  held.shift()?.();
  const lease = await first;
  expect(lease.value).toBe("a60");
  await lease[Symbol.asyncDispose]();
  await settle();
  held.shift()?.();
  expect((await second).value).toBe("b60");
});

test("what would not fit alone is refused at once", async () => {
  const { take } = trial({ budgetBytes: 100 });
  await expect(take("a101")).rejects.toMatchObject({ code: "memory_insufficient" });
});

test("a load that failed is tried again, but not a fourth time within a quarter of an hour", async () => {
  const { take, use, failing, events, pass } = trial({ budgetBytes: 100 });
  failing.add("a10");
  for (let tries = 0; tries < FAILED_LOADS_MAX + 2; tries += 1) {
    await expect(take("a10")).rejects.toThrow("no a10");
  }
  expect(events).toHaveLength(FAILED_LOADS_MAX);
  failing.clear();
  await expect(take("a10")).rejects.toThrow("no a10");
  pass(FAILED_LOADS_MS);
  await use("a10");
});

test("a failed load leaves the budget as it was", async () => {
  const { take, use, failing, pool } = trial({ budgetBytes: 100 });
  failing.add("a90");
  await expect(take("a90")).rejects.toThrow("no a90");
  expect(pool.usedBytes()).toBe(0);
  await use("b100");
});

test("whoever gives up waiting leaves nothing behind, and the load it asked for serves the next", async () => {
  const { take, held, events, settle, pool } = trial({ budgetBytes: 100, holdLoads: true });
  const leaving = new AbortController();
  const waiting = take("a40", leaving.signal);
  await settle();
  leaving.abort(new Error("not needed any more"));
  await expect(waiting).rejects.toThrow("not needed any more");
  held.forEach((proceed) => proceed());
  await settle();
  expect(pool.hot()).toEqual(["a40"]);
  const next = trialUse(take("b70"));
  await settle();
  held.at(-1)?.();
  await next;
  expect(events).toEqual(["load a40", "release a40", "load b70"]);
});

test("evicting what is idle spares what is leased", async () => {
  const { take, use, pool } = trial({ budgetBytes: 100 });
  await use("a40");
  await using lease = await take("b40");
  await pool.evictIdle();
  expect(pool.hot()).toEqual([lease.value]);
});

test("a lease that is given back twice counts once", async () => {
  const { take, use, alive } = trial({ budgetBytes: 100 });
  await using kept = await take("a60");
  const other = await take("a60");
  await other[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  await use("b40");
  await use("c40");
  expect(alive.has(kept.value)).toBe(true);
});

test("under any order of use the budget holds, nothing leased is released, and nobody waits for ever", async () => {
  const step = fc.tuple(fc.constantFrom("a10", "b20", "c30", "d40", "e50"), fc.integer({ min: 0, max: 3 }));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { take, alive, settle } = trial({ budgetBytes: 100 });
      const users = steps.map(async ([id, turns]) => {
        await using lease = await take(id);
        for (let turn = 0; turn < turns; turn += 1) {
          await settle();
          expect(alive.has(lease.value)).toBe(true);
        }
      });
      await Promise.all(users);
    }),
    { numRuns: 50 },
  );
});

async function trialUse(taking: Promise<AsyncDisposable>): Promise<void> {
  await (await taking)[Symbol.asyncDispose]();
}
