import { expect } from "vitest";
import type { Range, Write } from "#shared/ports.ts";
import type { Promises } from "./promise.ts";
import { A, collect, commit, due, put, type StoreFixture } from "./store-fixture.ts";

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
      expect(await store.nominate("due", "due", { limit: 10 })).toEqual({
        rows: [
          { pk: "y", sk: "2", at: "10" },
          { pk: "x", sk: "1", at: "30" },
        ],
      });
      expect((await store.nominate("org", "due", { limit: 10 })).rows).toEqual([
        { pk: "w", sk: "4", at: "20" },
      ]);
      expect((await store.nominate("ready", "due", { limit: 10 })).rows).toEqual([]);
    },
  );

  promise(
    "each put moves an item's entries, and a put without one takes it out of the index",
    async ({ store }) => {
      await commit(store, [put(A, { indexes: { ...due("10"), org: { pk: "o", sk: "1" } } })]);
      await commit(store, [
        { op: "put", item: { ...A, body: 2, indexes: due("20") }, when: "exists", keepRev: true },
      ]);
      expect((await store.nominate("due", "due", { limit: 10 })).rows).toEqual([{ ...A, at: "20" }]);
      expect((await store.nominate("org", "o", { limit: 10 })).rows).toEqual([]);
      await commit(store, [{ op: "put", item: { ...A, body: 3 }, when: "exists" }]);
      expect((await store.nominate("due", "due", { limit: 10 })).rows).toEqual([]);
    },
  );

  promise("arithmetic leaves an item's entries as they are, and a delete removes them", async ({ store }) => {
    await commit(store, [put(A, { counters: { n: 0 }, indexes: due("10") })]);
    await commit(store, [{ op: "add", key: A, add: { n: 1 } }]);
    expect((await store.nominate("due", "due", { limit: 10 })).rows).toEqual([{ ...A, at: "10" }]);
    await commit(store, [{ op: "delete", key: A }]);
    expect((await store.nominate("due", "due", { limit: 10 })).rows).toEqual([]);
  });

  promise("a refused put leaves an item's entries as they are", async ({ store }) => {
    await commit(store, [put(A, { indexes: due("10") })]);
    await store.transact([{ op: "put", item: { ...A, body: 2, indexes: due("20") }, when: { rev: 7 } }]);
    expect((await store.nominate("due", "due", { limit: 10 })).rows).toEqual([{ ...A, at: "10" }]);
  });

  promise(
    "an index is paged whole in both directions, also where many items share one sort key",
    async ({ store }) => {
      const drafts = Array.from({ length: 12 }, (_, i) =>
        put({ pk: `p${i}`, sk: "s" }, { indexes: due(String(i % 3)) }),
      );
      await commit(store, drafts);
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
    const rows = await collect((range) => store.nominate("due", "due", { ...range, limit: 1, upTo: "20" }));
    expect(rows.map(({ at }) => at)).toEqual(["10", "20"]);
  });
}

function numbered(count: number): Write[] {
  return Array.from({ length: count }, (_, i) => put({ pk: "p", sk: `k${String(i).padStart(2, "0")}` }));
}
