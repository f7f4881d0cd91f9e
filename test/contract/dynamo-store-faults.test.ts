import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDynamoStore } from "#shared/adapters/dynamo-store.ts";
import { createDynamoTable, deleteDynamoTable } from "#shared/adapters/dynamo-table.ts";
import { createMemoryStore } from "#shared/adapters/memory-store.ts";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Committed, Condition, Key, Store, Write } from "#shared/ports.ts";
import { seededRandom } from "../chaos/seeded-random.ts";
import { everyKind, type FaultName, type FaultTimes, type RequestHead } from "../faults/fault-plan.ts";
import { startFaultProxy } from "../faults/fault-proxy.ts";
import { awsEngine } from "./aws-engines.ts";
import { put } from "./store-fixture.ts";

const { endpoint, ...options } = awsEngine("dynamodb").options;
const isHere = endpoint !== undefined;
const aws = test.skipIf(!isHere);
const table = `photokeep-test-faults-${randomUUID()}`;

beforeAll(async () => {
  if (isHere) await createDynamoTable({ ...options, endpoint }, table);
});
afterAll(async () => {
  if (isHere) await deleteDynamoTable({ ...options, endpoint }, table);
});

/** A store behind a proxy of its own, and a partition that nobody else uses. */
async function openBehindProxy({
  seed = 1,
  times = {},
}: { seed?: number; times?: Partial<FaultTimes> } = {}) {
  await using opened = new AsyncDisposableStack();
  const target = new URL(endpoint ?? "");
  const proxy = opened.use(await startFaultProxy({ target, seed, dialect: "dynamodb", times }));
  const store = opened.use(await openDynamoStore({ ...options, endpoint: proxy.url, table }));
  const kept = opened.move();
  return { proxy, store, pk: randomUUID(), [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const isWrite = ({ operation = "" }: RequestHead) => /^(Put|Update|Delete|TransactWrite)Item/.test(operation);

/** Every kind of write that the port knows, on items `a` (rev 1, n 1) and `b` (absent). */
const WRITES: Readonly<Record<string, (pk: string) => Write[]>> = {
  "a put that creates": (pk) => [put({ pk, sk: "b" }, { body: 1, counters: { n: 7 } })],
  "a put on a rev": (pk) => [{ op: "put", item: { pk, sk: "a", body: 2 }, when: { rev: 1 } }],
  "a put on a rev that keeps it": (pk) => [
    { op: "put", item: { pk, sk: "a", body: 2 }, when: { rev: 1 }, keepRev: true },
  ],
  "a put over whatever is there": (pk) => [{ op: "put", item: { pk, sk: "a", body: 2 }, when: "exists" }],
  "a put below a number": (pk) => [
    { op: "put", item: { pk, sk: "a", body: 2, counters: { n: 5 } }, when: { below: "n", than: 5 } },
  ],
  "a put below a number that it leaves below": (pk) => [
    { op: "put", item: { pk, sk: "a", body: 2 }, when: { below: "n", than: 5 } },
  ],
  "an addition": (pk) => [{ op: "add", key: { pk, sk: "a" }, add: { n: 1 } }],
  "an addition above a floor": (pk) => [{ op: "add", key: { pk, sk: "a" }, add: { n: -1 }, floor: { n: 0 } }],
  "a deletion": (pk) => [{ op: "delete", key: { pk, sk: "a" } }],
  "a deletion on a rev": (pk) => [{ op: "delete", key: { pk, sk: "a" }, when: { rev: 1 } }],
  "a transaction": (pk) => [
    { op: "add", key: { pk, sk: "a" }, add: { n: -1 }, floor: { n: 0 } },
    put({ pk, sk: "b" }, { body: 1 }),
    { op: "check", key: { pk, sk: "c" }, when: "absent" },
  ],
};
const LOSSES: readonly FaultName[] = ["drop-after", "cut", "duplicate"];
const ANSWERED = Object.keys(WRITES).flatMap((name) => LOSSES.map((fault) => [name, fault] as const));

aws.each(ANSWERED)("%s is done once and answered so under %s", async (name, fault) => {
  await using faulty = await openBehindProxy();
  const { proxy, store, pk } = faulty;
  const twin = createMemoryStore({ clock });
  const writes = WRITES[name]?.(pk) ?? [];
  for (const each of [store, twin])
    await each.transact([put({ pk, sk: "a" }, { body: 1, counters: { n: 1 } })]);
  proxy.next({ kind: fault, when: isWrite, times: 2 });
  expect(await store.transact(writes)).toEqual({ ok: true });
  expect(await twin.transact(writes)).toEqual({ ok: true });
  expect(await store.list(pk, { limit: 10 })).toEqual(await twin.list(pk, { limit: 10 }));
  expect(proxy.counts()[fault]).toBeGreaterThan(0);
});

aws("a refusal whose reply was lost stays a refusal", async () => {
  await using faulty = await openBehindProxy();
  const { proxy, store, pk } = faulty;
  await store.transact([put({ pk, sk: "a" }, { counters: { n: 0 } })]);
  const refused: Write[] = [{ op: "add", key: { pk, sk: "a" }, add: { n: -1 }, floor: { n: 0 } }];
  for (const writes of [[put({ pk, sk: "a" })], refused, [...refused, put({ pk, sk: "b" })]]) {
    proxy.next({ kind: "drop-after", when: isWrite });
    expect(await store.transact(writes)).toMatchObject({ ok: false });
  }
  expect(await store.list(pk, { limit: 10 })).toMatchObject({
    rows: [{ sk: "a", rev: 1, counters: { n: 0 } }],
  });
});

aws("a repeated token changes nothing though the first reply was lost to the caller", async () => {
  await using faulty = await openBehindProxy();
  const { proxy, store, pk } = faulty;
  await store.transact([put({ pk, sk: "a" }, { counters: { n: 0 } })]);
  const writes: Write[] = [{ op: "add", key: { pk, sk: "a" }, add: { n: 1 } }];
  const token = randomUUID();
  proxy.next({ kind: "drop-after", when: isWrite });
  proxy.setRates({ "server-error": 1 });
  await expect(store.transact(writes, token)).rejects.toMatchObject({ code: "store_busy" });
  proxy.setRates({});
  expect(await store.transact(writes, token)).toEqual({ ok: true });
  expect(await store.get({ pk, sk: "a" })).toMatchObject({ counters: { n: 1 } });
});

aws("a conflict with another transaction passes, or is told; nothing is lost", async () => {
  await using faulty = await openBehindProxy();
  const { proxy, store, pk } = faulty;
  await store.transact([put({ pk, sk: "a" }, { counters: { n: 0 } })]);
  const single = [put({ pk, sk: "b" })];
  const transaction: Write[] = [{ op: "add", key: { pk, sk: "a" }, add: { n: 1 } }, put({ pk, sk: "c" })];
  for (const writes of [single, transaction]) {
    proxy.setRates({ "transaction-conflict": 1 });
    const refused = await store.transact(writes);
    expect(refused).toMatchObject({ ok: false, refusals: expect.arrayContaining(["conflict"]) as unknown });
    proxy.setRates({});
    expect((await store.list(pk, { limit: 10 })).rows.map(({ sk, counters }) => [sk, counters["n"]])).toEqual(
      writes === single
        ? [["a", 0]]
        : [
            ["a", 0],
            ["b", undefined],
          ],
    );
    proxy.next({ kind: "transaction-conflict", when: isWrite });
    expect(await store.transact(writes)).toEqual({ ok: true });
  }
  expect(await store.get({ pk, sk: "a" })).toMatchObject({ rev: 1, counters: { n: 1 } });
});

aws("what was done and met conflicts when it was repeated is not told as refused", async () => {
  await using faulty = await openBehindProxy();
  const { proxy, store, pk } = faulty;
  for (const writes of [[put({ pk, sk: "a" })], [put({ pk, sk: "b" }), put({ pk, sk: "c" })]]) {
    proxy.next({ kind: "drop-after", when: isWrite });
    proxy.setRates({ "transaction-conflict": 1 });
    await expect(store.transact(writes)).rejects.toMatchObject({ kind: "busy", code: "store_busy" });
    proxy.setRates({});
  }
  expect((await store.list(pk, { limit: 10 })).rows.map(({ sk }) => sk)).toEqual(["a", "b", "c"]);
});

aws.concurrent.each<FaultName>(["throttle", "transaction-throttle", "server-error", "drop-before"])(
  "under %s that lasts the store is busy, and nothing is written; what passes is waited for",
  async (kind) => {
    await using faulty = await openBehindProxy();
    const { proxy, store, pk } = faulty;
    const writes = [put({ pk, sk: "a" }), put({ pk, sk: "b" })];
    proxy.setRates({ [kind]: 1 });
    const error = await store.transact(writes).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({ kind: "busy", code: "store_busy" });
    proxy.setRates({});
    expect(await store.list(pk, { limit: 10 })).toEqual({ rows: [] });
    proxy.next({ kind, when: isWrite });
    expect(await store.transact(writes)).toEqual({ ok: true });
  },
  8_000,
);

aws.concurrent(
  "a connection that never answers is given up in time",
  async () => {
    await using faulty = await openBehindProxy();
    const { proxy, store, pk } = faulty;
    proxy.next({ kind: "half-open", when: isWrite });
    expect(await store.transact([put({ pk, sk: "a" })])).toEqual({ ok: true });
    proxy.setRates({ "half-open": 1 });
    await expect(store.get({ pk, sk: "a" })).rejects.toMatchObject({ kind: "busy", code: "store_busy" });
  },
  9_000,
);

const WORKERS = 50;
const STEPS = 10;
const TRIES_MAX = 20;
const SKS = ["a", "b", "c"] as const;

/** What one worker does on a partition of its own, beside a twin that knows no faults. */
class Worker {
  readonly #store: Store;
  readonly #twin = createMemoryStore({ clock });
  readonly #random: () => number;
  readonly #pk: string;

  constructor(store: Store, pk: string, seed: number) {
    this.#store = store;
    this.#pk = pk;
    this.#random = seededRandom(seed);
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      if (this.#random() < 0.25) await this.#look();
      else await this.#write();
    }
    await this.#look();
  }

  async #look(): Promise<void> {
    const pk = this.#pk;
    const range = { limit: 2 };
    const sk = this.#pick(SKS);
    expect(await untilAnswered(() => this.#store.get({ pk, sk }))).toEqual(await this.#twin.get({ pk, sk }));
    const seen = await untilAnswered(() => this.#store.list(pk, range));
    expect(seen.rows).toEqual((await this.#twin.list(pk, range)).rows);
    // Late, or not whole, but never another's.
    const named = await untilAnswered(() => this.#store.nominate("due", pk, range));
    for (const row of named.rows) expect(row).toMatchObject({ pk });
  }

  async #write(): Promise<void> {
    const keys = SKS.filter(() => this.#random() < 0.5).map((sk) => ({ pk: this.#pk, sk }));
    const writes = (keys.length === 0 ? [{ pk: this.#pk, sk: "a" }] : keys).map((key) => this.#writeOf(key));
    const token = this.#random() < 0.5 ? randomUUID() : undefined;
    const committed = token === undefined ? await this.#once(writes) : await this.#repeated(writes, token);
    const isUndone = committed === undefined || (!committed.ok && committed.refusals.includes("conflict"));
    if (!isUndone) expect(committed).toEqual(await this.#twin.transact(writes));
  }

  /** Under a token: the same again until it is answered. */
  #repeated(writes: Write[], token: string): Promise<Committed> {
    return untilAnswered(() => this.#store.transact(writes, token));
  }

  /** Without one: what is not answered is looked up. Undefined when nothing happened. */
  async #once(writes: Write[]): Promise<Committed | undefined> {
    try {
      return await this.#store.transact(writes);
    } catch (error) {
      expect(error).toMatchObject({ kind: "busy", code: "store_busy" });
      const range = { limit: 10 };
      const found = await untilAnswered(() => this.#store.list(this.#pk, range));
      const before = await this.#twin.list(this.#pk, range);
      return isDeepStrictEqual(found.rows, before.rows) ? undefined : { ok: true };
    }
  }

  #writeOf(key: Key): Write {
    const n = Math.floor(this.#random() * 5);
    const item = { ...key, body: n, counters: { n }, indexes: { due: { pk: this.#pk, sk: String(n) } } };
    const op = this.#pick(["put", "put", "add", "add", "delete", "check"] as const);
    if (op === "add") return { op, key, add: { n: n - 2 }, floor: { n: 0 } };
    const when = this.#pick<Condition>(["absent", "absent", "exists", { rev: 1 }, { below: "n", than: 3 }]);
    return op === "put" ? { op, item, when } : { op, key, when };
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T;
  }
}

/** Repeats what the store was too busy for. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "store_busy" || tries === TRIES_MAX) throw error;
    }
  }
}

aws.concurrent(
  "five hundred random operations at 5 % of each fault keep in step with a store that knows none",
  async () => {
    const times = { delayMsMin: 5, delayMsMax: 50, slowMsMax: 100, halfOpenMs: 200 };
    await using faulty = await openBehindProxy({ seed: 42, times });
    const { proxy, store, pk } = faulty;
    proxy.setRates(everyKind(0.05, "dynamodb"));
    const workers = Array.from({ length: WORKERS }, (_, n) => new Worker(store, `${pk}-${n}`, n + 1));
    await Promise.all(workers.map((worker) => worker.run()));
    expect(Object.values(proxy.counts()).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
  },
  30_000,
);
