import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openDynamoStore } from "#shared/adapters/dynamo-store.ts";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryStore } from "#shared/adapters/memory-store.ts";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import type { Clock, Condition, Draft, Key, Page, Range, Store, Write } from "#shared/ports.ts";
import { awsEngine } from "./aws-engines.ts";
import { createTestTable } from "./dynamo-table-fixture.ts";
import { temporaryFolder } from "./temporary-folder.ts";

// Few keys, few values: histories that meet themselves again and again.
const key: fc.Arbitrary<Key> = fc.record({
  pk: fc.constantFrom("p", "q"),
  sk: fc.constantFrom("a", "a#1", "a#2", "b", "\uffee", "𝄞"),
});
const number = fc.integer({ min: -2, max: 3 });
const counters = fc.dictionary(fc.constantFrom("n", "m"), number, { maxKeys: 2 });
const entry = fc.record({ pk: fc.constantFrom("x", "y"), sk: fc.constantFrom("1", "2", "3") });
const when: fc.Arbitrary<Condition> = fc.oneof(
  fc.constantFrom<Condition>("absent", "exists"),
  fc.record({ rev: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ below: fc.constantFrom("n", "m"), than: number }),
);
const draft: fc.Arbitrary<Draft> = fc
  .tuple(
    key,
    fc.record({ body: fc.jsonValue({ maxDepth: 1 }) }),
    fc.record(
      { counters, indexes: fc.record({ due: entry, org: entry }, { requiredKeys: [] }) },
      { requiredKeys: [] },
    ),
  )
  .map((parts) => Object.assign({}, ...parts) as Draft);
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record(
    { op: fc.constant("put" as const), item: draft, when, keepRev: fc.constant(true as const) },
    { requiredKeys: ["op", "item", "when"] },
  ),
  fc.record(
    { op: fc.constant("add" as const), key, add: counters, floor: counters },
    { requiredKeys: ["op", "key", "add"] },
  ),
  fc.record({ op: fc.constant("check" as const), key, when }),
  fc.record({ op: fc.constant("delete" as const), key, when }, { requiredKeys: ["op", "key"] }),
);
const keyOf = (write: Write): string => {
  const { pk, sk } = write.op === "put" ? write.item : write.key;
  return `${pk} ${sk}`;
};
const writes = fc.uniqueArray(write, { minLength: 1, maxLength: 4, selector: keyOf });
const range: fc.Arbitrary<Range> = fc.record(
  {
    limit: fc.integer({ min: 1, max: 4 }),
    newestFirst: fc.boolean(),
    prefix: fc.constantFrom("a", "a#", "1"),
    upTo: fc.constantFrom("a#1", "b", "2"),
  },
  { requiredKeys: ["limit"] },
);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ writes, token: fc.constantFrom("t1", "t2") }, { requiredKeys: ["writes"] }),
  },
  { weight: 1, arbitrary: fc.record({ range }) },
);

/** Everything that can be seen of a store through one range, page by page. */
async function view(store: Store, range: Range): Promise<unknown> {
  const listings = ["p", "q"].map((pk) => (page: Range) => store.list(pk, page));
  const nominations = ["x", "y"].flatMap((pk) =>
    (["due", "org"] as const).map((index) => (page: Range) => store.nominate(index, pk, page)),
  );
  return Promise.all([...listings, ...nominations].map((read) => pagesOf<unknown>(read, range)));
}

async function pagesOf<T>(read: (range: Range) => Promise<Page<T>>, range: Range): Promise<T[][]> {
  const pages: T[][] = [];
  for (let cursor: string | undefined; ;) {
    const page = await read({ ...range, ...(cursor !== undefined && { cursor }) });
    pages.push([...page.rows]);
    cursor = page.cursor;
    if (cursor === undefined) return pages;
  }
}

async function answerOf(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: Error) => error.message);
}

/** Runs random histories on the memory store and on an engine, and compares everything that either says. */
async function expectTwins(
  open: (clock: Clock) => Promise<Store & AsyncDisposable>,
  numRuns: number,
): Promise<void> {
  const clock = createManualClock();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (history) => {
      const memory = createMemoryStore({ clock });
      await using engine = await open(clock);
      for (const step of history) {
        if ("range" in step) expect(await view(engine, step.range)).toEqual(await view(memory, step.range));
        else {
          const said = await answerOf(memory.transact(step.writes, step.token));
          expect(await answerOf(engine.transact(step.writes, step.token))).toEqual(said);
        }
      }
      expect(await view(engine, { limit: 100 })).toEqual(await view(memory, { limit: 100 }));
    }),
    { numRuns },
  );
}

test("the memory store and the SQLite store tell the same story of any history", async () => {
  await expectTwins(async (clock) => {
    const folder = await temporaryFolder();
    const store = await openSqliteStore({
      path: join(folder.path, "store.db"),
      clock,
      entropy: systemEntropy,
    });
    const close = async () => {
      await store.close();
      await folder[Symbol.asyncDispose]();
    };
    return { ...store, [Symbol.asyncDispose]: close };
  }, 100);
});

// On AWS itself an index lags, and orders rows of one sort key as it likes.
const { isHere, isReal, options } = awsEngine("dynamodb");

test.skipIf(!isHere || isReal)(
  "the memory store and the DynamoDB store tell the same story of any history",
  async () => {
    await expectTwins(async () => {
      const table = await createTestTable(options);
      const store = await openDynamoStore({ ...options, table: table.name });
      const close = async () => {
        await store[Symbol.asyncDispose]();
        await table[Symbol.asyncDispose]();
      };
      return { ...store, [Symbol.asyncDispose]: close };
    }, 60);
  },
);
