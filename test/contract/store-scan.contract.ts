import { expect } from "vitest";
import type { Item, Part, StoreScan } from "#shared/ports.ts";
import { type EngineLimits, promisesOf } from "./promise.ts";
import { commit, due, put, type StoreFixture } from "./store-fixture.ts";

/** Every promise of the StoreScan port, on a Store to fill it. `open` gives an empty one. */
export function storeScanContract(
  name: string,
  open: () => Promise<StoreFixture & { readonly store: StoreScan }>,
  limits: EngineLimits = {},
): void {
  const promise = promisesOf(name, open, limits);

  promise("a scan of an empty store ends with an empty page", async ({ store }) => {
    expect(await walk(store, { limit: 100 })).toEqual([]);
  });

  promise("a scan meets every item of every partition once, whole", async ({ store }) => {
    const keys = ["p", "q", "é", "𝄞"].flatMap((pk) => ["a", "b", "\uffee"].map((sk) => ({ pk, sk })));
    await commit(
      store,
      keys.map((key) => put(key, { body: { of: key.pk }, counters: { n: 1 }, indexes: due(key.sk) })),
    );
    for (const limit of [1, 5, 100]) {
      const items = await walk(store, { limit });
      expect(items).toHaveLength(keys.length);
      for (const key of keys)
        expect(items).toContainEqual({
          ...key,
          body: { of: key.pk },
          rev: 1,
          counters: { n: 1 },
          indexes: due(key.sk),
        });
    }
  });

  promise("a page of a scan never exceeds its limit", async ({ store }) => {
    await commit(store, numbered(10));
    expect((await store.scan({ limit: 3 })).rows.length).toBeLessThanOrEqual(3);
  });

  promise("the parts of a scan together meet every item once", async ({ store }) => {
    await commit(store, numbered(60));
    for (const of of [1, 3, 8]) {
      const parts = Array.from({ length: of }, (_, index) => walk(store, { limit: 7, part: { index, of } }));
      const keys = (await Promise.all(parts)).flat().map(({ pk }) => pk);
      expect(keys.toSorted()).toEqual(Array.from({ length: 60 }, (_, n) => pkOf(n)));
    }
  });

  promise("what stands throughout is met once while other items come and go", async ({ store }) => {
    await commit(store, numbered(20));
    const first = await store.scan({ limit: 5 });
    const seen = first.rows.map(({ pk }) => pk);
    const all = Array.from({ length: 20 }, (_, n) => pkOf(n));
    const gone = [seen[0] ?? "", all.find((pk) => !seen.includes(pk)) ?? ""];
    await commit(store, [
      ...gone.map((pk) => ({ op: "delete" as const, key: { pk, sk: "s" } })),
      put({ pk: "a-new-one", sk: "s" }),
      put({ pk: "z-new-one", sk: "s" }),
    ]);
    const rest = await walk(store, { limit: 5, ...(first.cursor !== undefined && { cursor: first.cursor }) });
    const standing = rest.map(({ pk }) => pk).filter((pk) => !pk.endsWith("new-one"));
    expect([...seen.filter((pk) => pk !== gone[0]), ...standing].toSorted()).toEqual(
      all.filter((pk) => !gone.includes(pk)),
    );
  });

  promise(
    "a share that is none of all, and a page without rows, are bugs of the caller",
    async ({ store }) => {
      for (const part of [
        { index: 2, of: 2 },
        { index: -1, of: 2 },
        { index: 0, of: 0 },
      ])
        await expect(store.scan({ limit: 1, part })).rejects.toThrow("invariant broken");
      await expect(store.scan({ limit: 0 })).rejects.toThrow("invariant broken");
    },
  );
}

async function walk(
  store: StoreScan,
  range: { readonly limit: number; readonly cursor?: string; readonly part?: Part },
): Promise<Item[]> {
  const items: Item[] = [];
  for (let cursor = range.cursor; ;) {
    const page = await store.scan({ ...range, ...(cursor !== undefined && { cursor }) });
    items.push(...page.rows);
    cursor = page.cursor;
    if (cursor === undefined) return items;
  }
}

function pkOf(n: number): string {
  return `p${String(n).padStart(2, "0")}`;
}

function numbered(count: number) {
  return Array.from({ length: count }, (_, n) => put({ pk: pkOf(n), sk: "s" }));
}
