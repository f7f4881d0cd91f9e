import { expect } from "vitest";
import { ITEM_BYTES_MAX } from "#shared/domain/limits.ts";
import type { IndexName, Range, Store, Write } from "#shared/ports.ts";
import type { Promises } from "./promise.ts";
import { A, collect, commit, due, put, type StoreFixture } from "./store-fixture.ts";

/** How long an index may lag behind its items, milliseconds: it is asked until it tells what is so. */
const LAG = { timeout: 5_000 };

/** The promises about lists, pages and indexes. */
export function storeListingContract(promise: Promises<StoreFixture>): void {
  promise(
    "a partition is listed in the byte order of its sort keys, either way, and holds no other",
    async ({ store }) => {
      const keys = ["Z", "a", "a/", "a/b", "aa", "b", "é", "\uffee", "𝄞"];
      const shuffled = ["b", "𝄞", "a", "é", "a/b", "\uffee", "Z", "aa", "a/"];
      await commit(store, [
        ...shuffled.map((sk) => put({ pk: "p", sk })),
        put({ pk: "p2", sk: "a" }),
        put({ pk: "P", sk: "a" }),
      ]);
      expect((await store.list("p", { limit: 100 })).rows.map(({ sk }) => sk)).toEqual(keys);
      const newest = await store.list("p", { limit: 100, newestFirst: true });
      expect(newest.rows.map(({ sk }) => sk)).toEqual(keys.toReversed());
      expect(newest.cursor).toBeUndefined();
    },
  );

  promise("pages follow each other without a gap or a repetition, in both directions", async ({ store }) => {
    await commit(store, numbered(25));
    const keys = Array.from({ length: 25 }, (_, i) => `k${String(i).padStart(2, "0")}`);
    for (const limit of [1, 5, 7, 25, 100]) {
      const forward = await collect((range) => store.list("p", { ...range, limit }));
      expect(forward.map(({ sk }) => sk)).toEqual(keys);
      const backward = await collect((range) => store.list("p", { ...range, limit, newestFirst: true }));
      expect(backward.map(({ sk }) => sk)).toEqual(keys.toReversed());
    }
  });

  promise("a page never exceeds its limit, and the last one has no cursor", async ({ store }) => {
    await commit(store, numbered(10));
    const first = await store.list("p", { limit: 5 });
    expect(first.rows).toHaveLength(5);
    const second = await store.list("p", { limit: 5, cursor: first.cursor ?? "" });
    expect(second.rows).toHaveLength(5);
    expect(second.cursor).toBeUndefined();
  });

  promise("a cursor stays good while items before and after it come and go", async ({ store }) => {
    await commit(store, numbered(6));
    const { cursor = "" } = await store.list("p", { limit: 3 });
    await commit(store, [
      { op: "delete", key: { pk: "p", sk: "k02" } },
      { op: "delete", key: { pk: "p", sk: "k04" } },
      put({ pk: "p", sk: "k00x" }),
      put({ pk: "p", sk: "k05x" }),
    ]);
    const rest = await store.list("p", { limit: 100, cursor });
    expect(rest.rows.map(({ sk }) => sk)).toEqual(["k03", "k05", "k05x"]);
  });

  promise("prefix and upper bound narrow a list, alone and together, either way", async ({ store }) => {
    await commit(
      store,
      ["a", "a#1", "a#2", "a#3", "a$", "b"].map((sk) => put({ pk: "p", sk })),
    );
    const list = async (range: Partial<Range>) =>
      (await collect((page) => store.list("p", { ...page, ...range, limit: 2 }))).map(({ sk }) => sk);
    expect(await list({ prefix: "a#" })).toEqual(["a#1", "a#2", "a#3"]);
    expect(await list({ prefix: "a#", newestFirst: true })).toEqual(["a#3", "a#2", "a#1"]);
    expect(await list({ upTo: "a#2" })).toEqual(["a", "a#1", "a#2"]);
    expect(await list({ prefix: "a#", upTo: "a#2" })).toEqual(["a#1", "a#2"]);
    expect(await list({ prefix: "a#", upTo: "a#2", newestFirst: true })).toEqual(["a#2", "a#1"]);
    expect(await list({ prefix: "a#", upTo: "z" })).toEqual(["a#1", "a#2", "a#3"]);
    expect(await list({ prefix: "b", upTo: "a" })).toEqual([]);
    expect(await list({ prefix: "none" })).toEqual([]);
  });

  promise("a cursor from elsewhere never leads outside the prefix", async ({ store }) => {
    await commit(
      store,
      ["a#1", "a#2", "b#1", "b#2"].map((sk) => put({ pk: "p", sk })),
    );
    const { cursor = "" } = await store.list("p", { limit: 1, prefix: "a#" });
    const forward = await store.list("p", { limit: 10, prefix: "b#", cursor });
    expect(forward.rows.map(({ sk }) => sk)).toEqual(["b#1", "b#2"]);
    const backward = await store.list("p", { limit: 10, prefix: "b#", cursor, newestFirst: true });
    expect(backward.rows).toEqual([]);
    const beyond = await store.list("p", { limit: 1, prefix: "b#", newestFirst: true });
    const within = await store.list("p", {
      limit: 10,
      prefix: "a#",
      newestFirst: true,
      cursor: beyond.cursor ?? "",
    });
    expect(within.rows.map(({ sk }) => sk)).toEqual(["a#2", "a#1"]);
  });

  promise("a cursor that is none is the caller's fault", async ({ store }) => {
    for (const cursor of ["", "x", "bm9uZQ", "W10", "WzFd", "A".repeat(20_000)]) {
      await expect(store.list("p", { limit: 1, cursor })).rejects.toMatchObject({
        kind: "input",
        code: "cursor_invalid",
      });
      await expect(store.nominate("due", "p", { limit: 1, cursor })).rejects.toMatchObject({
        code: "cursor_invalid",
      });
    }
  });

  promise(
    "an index names exactly the items that carry its entry, ordered by its sort key",
    async ({ store }) => {
      await commit(store, [
        put({ pk: "x", sk: "1" }, { indexes: due("30") }),
        put({ pk: "y", sk: "2" }, { indexes: due("10") }),
        put({ pk: "z", sk: "3" }, { indexes: { due: { pk: "elsewhere", sk: "20" } } }),
        put({ pk: "w", sk: "4" }, { indexes: { org: { pk: "due", sk: "20" } } }),
        put({ pk: "v", sk: "5" }),
      ]);
      await expect
        .poll(() => store.nominate("due", "due", { limit: 10 }), LAG)
        .toEqual({
          rows: [
            { pk: "y", sk: "2", at: "10" },
            { pk: "x", sk: "1", at: "30" },
          ],
        });
      await expect.poll(() => named(store, "org", "due"), LAG).toEqual([{ pk: "w", sk: "4", at: "20" }]);
      await expect.poll(() => named(store, "ready", "due"), LAG).toEqual([]);
    },
  );

  promise(
    "each put moves an item's entries, and a put without one takes it out of the index",
    async ({ store }) => {
      await commit(store, [put(A, { indexes: { ...due("10"), org: { pk: "o", sk: "1" } } })]);
      await commit(store, [
        { op: "put", item: { ...A, body: 2, indexes: due("20") }, when: "exists", keepRev: true },
      ]);
      await expect.poll(() => named(store, "due", "due"), LAG).toEqual([{ ...A, at: "20" }]);
      await expect.poll(() => named(store, "org", "o"), LAG).toEqual([]);
      await commit(store, [{ op: "put", item: { ...A, body: 3 }, when: "exists" }]);
      await expect.poll(() => named(store, "due", "due"), LAG).toEqual([]);
    },
  );

  promise("arithmetic leaves an item's entries as they are, and a delete removes them", async ({ store }) => {
    await commit(store, [put(A, { counters: { n: 0 }, indexes: due("10") })]);
    await commit(store, [{ op: "add", key: A, add: { n: 1 } }]);
    await expect.poll(() => named(store, "due", "due"), LAG).toEqual([{ ...A, at: "10" }]);
    await commit(store, [{ op: "delete", key: A }]);
    await expect.poll(() => named(store, "due", "due"), LAG).toEqual([]);
  });

  promise("a refused put leaves an item's entries as they are", async ({ store }) => {
    await commit(store, [put(A, { indexes: due("10") })]);
    await store.transact([{ op: "put", item: { ...A, body: 2, indexes: due("20") }, when: { rev: 7 } }]);
    await expect.poll(() => named(store, "due", "due"), LAG).toEqual([{ ...A, at: "10" }]);
  });

  promise(
    "an index is paged whole in both directions, also where many items share one sort key",
    async ({ store }) => {
      const drafts = Array.from({ length: 12 }, (_, i) =>
        put({ pk: `p${i}`, sk: "s" }, { indexes: due(String(i % 3)) }),
      );
      await commit(store, drafts);
      await expect.poll(() => named(store, "due", "due"), LAG).toHaveLength(12);
      for (const newestFirst of [false, true]) {
        const rows = await collect((range) =>
          store.nominate("due", "due", { ...range, limit: 5, newestFirst }),
        );
        expect(new Set(rows.map(({ pk }) => pk)).size).toBe(12);
        const order = rows.map(({ at }) => at);
        expect(order).toEqual(newestFirst ? order.toSorted().toReversed() : order.toSorted());
      }
    },
  );

  promise("an index is narrowed to what is due by its upper bound", async ({ store }) => {
    await commit(
      store,
      ["10", "20", "30"].map((at) => put({ pk: at, sk: "s" }, { indexes: due(at) })),
    );
    await expect.poll(() => named(store, "due", "due"), LAG).toHaveLength(3);
    const rows = await collect((range) => store.nominate("due", "due", { ...range, limit: 1, upTo: "20" }));
    expect(rows.map(({ at }) => at)).toEqual(["10", "20"]);
  });

  promise("a forged cursor leads to no other partition, of the table or of an index", async ({ store }) => {
    await commit(store, [
      put({ pk: "p", sk: "b" }, { indexes: due("20") }),
      put({ pk: "q", sk: "c" }, { indexes: { due: { pk: "other", sk: "30" } } }),
    ]);
    await expect.poll(() => named(store, "due", "due"), LAG).toHaveLength(1);
    await expect.poll(() => named(store, "due", "other"), LAG).toHaveLength(1);
    for (const newestFirst of [false, true]) {
      for (const sk of ["a", "b", "c"]) {
        const { rows } = await store.list("p", { limit: 10, newestFirst, cursor: forged(sk) });
        expect(rows.every(({ pk }) => pk === "p")).toBe(true);
      }
      for (const at of ["10", "20", "30"]) {
        const cursor = forged(at, "q", "c");
        const { rows } = await store.nominate("due", "due", { limit: 10, newestFirst, cursor });
        expect(rows.every(({ pk }) => pk === "p")).toBe(true);
      }
    }
  });

  promise("items of the greatest size fill a page all the same, in both directions", async ({ store }) => {
    const body = "x".repeat(ITEM_BYTES_MAX - 2);
    const keys = ["1", "2", "3", "4", "5", "6", "7", "8"];
    for (const sk of keys) await commit(store, [put({ pk: "p", sk }, { body })]);
    const whole = await store.list("p", { limit: 8 });
    expect(whole.rows.map(({ sk }) => sk)).toEqual(keys);
    expect(whole.cursor).toBeUndefined();
    const first = await store.list("p", { limit: 5, newestFirst: true });
    expect(first.rows.map(({ sk }) => sk)).toEqual(["8", "7", "6", "5", "4"]);
    const second = await store.list("p", { limit: 5, newestFirst: true, cursor: first.cursor ?? "" });
    expect(second.rows.map(({ sk }) => sk)).toEqual(["3", "2", "1"]);
    expect(second.cursor).toBeUndefined();
  });

  promise("keys of the greatest length are kept, listed and nominated, page by page", async ({ store }) => {
    const long = (end: string) => end.padStart(1_024, "k");
    const keys = ["1", "2", "3"].map((end) => ({ pk: long("p"), sk: long(end) }));
    const indexes = (at: string) => ({ due: { pk: long("due"), sk: at } });
    await commit(
      store,
      keys.map((key) => put(key, { indexes: indexes(key.sk) })),
    );
    await expect.poll(() => named(store, "due", long("due")), LAG).toHaveLength(3);
    for (const newestFirst of [false, true]) {
      const order = newestFirst ? keys.toReversed() : keys;
      const listed = await collect((range) => store.list(long("p"), { ...range, limit: 1, newestFirst }));
      expect(listed.map(({ sk }) => sk)).toEqual(order.map(({ sk }) => sk));
      const nominated = await collect((range) =>
        store.nominate("due", long("due"), { ...range, limit: 1, newestFirst, upTo: long("3") }),
      );
      expect(nominated).toEqual(order.map((key) => ({ ...key, at: key.sk })));
    }
    const narrow = { limit: 10, prefix: long("2"), upTo: long("2") };
    expect((await store.list(long("p"), narrow)).rows.map(({ sk }) => sk)).toEqual([long("2")]);
  });
}

async function named(store: Store, index: IndexName, pk: string) {
  return (await store.nominate(index, pk, { limit: 100 })).rows;
}

function forged(...parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

function numbered(count: number): Write[] {
  return Array.from({ length: count }, (_, i) => put({ pk: "p", sk: `k${String(i).padStart(2, "0")}` }));
}
