import { expect } from "vitest";
import { ITEM_BYTES_MAX } from "#shared/domain/limits.ts";
import type { Write } from "#shared/ports.ts";
import type { Promises } from "./promise.ts";
import { A, B, commit, put, type StoreFixture } from "./store-fixture.ts";

/** The promises about how much fits, and about answers that never arrived. */
export function storeLimitsContract(promise: Promises<StoreFixture>): void {
  promise("a transaction may weigh almost 4 MB, and one beyond is refused with a code", async ({ store }) => {
    const body = "x".repeat(ITEM_BYTES_MAX - 2);
    const writes = (count: number): Write[] =>
      Array.from({ length: count }, (_, i) => put({ pk: "p", sk: `k${i}` }, { body }));
    await expect(store.transact(writes(12))).rejects.toMatchObject({ code: "transaction_too_large" });
    expect(await store.get({ pk: "p", sk: "k0" })).toBeUndefined();
    await commit(store, writes(11));
    expect((await store.get({ pk: "p", sk: "k10" }))?.body).toBe(body);
  });

  promise(
    "an item may be created with hundreds of counters, each with a life of its own",
    async ({ store }) => {
      const counters = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`key.left.${i}`, i]));
      await commit(store, [put(A, { counters })]);
      const add = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`key.left.${i}`, -i]));
      await commit(store, [
        { op: "add", key: A, add, floor: Object.fromEntries(Object.keys(add).map((name) => [name, 0])) },
      ]);
      await commit(store, [{ op: "put", item: { ...A, body: 2 }, when: { rev: 1 } }]);
      const read = (await store.get(A))?.counters ?? {};
      expect(Object.keys(read)).toHaveLength(400);
      expect([read["key.left.0"], read["key.left.49"], read["key.left.50"]]).toEqual([0, 0, 50]);
    },
  );

  promise("a sum beyond the safe integers is a bug of the caller and changes nothing", async ({ store }) => {
    const edge = Number.MAX_SAFE_INTEGER;
    await commit(store, [put(A, { counters: { high: edge - 1, low: 1 - edge } })]);
    await commit(store, [{ op: "add", key: A, add: { high: 1, low: -1 } }]);
    for (const add of [{ high: 1 }, { low: -1 }, { high: edge }, { low: -edge }]) {
      await expect(store.transact([{ op: "add", key: A, add }])).rejects.toThrow("invariant broken");
    }
    expect((await store.get(A))?.counters).toEqual({ high: edge, low: -edge });
    await commit(store, [{ op: "add", key: A, add: { high: -edge, low: edge } }]);
    expect((await store.get(A))?.counters).toEqual({ high: 0, low: 0 });
  });

  promise("one transaction sent many times at once under its token happens once", async ({ store }) => {
    await commit(store, [put(A, { counters: { n: 0 } })]);
    const writes: Write[] = [{ op: "add", key: A, add: { n: 1 } }, put(B)];
    const committed = await Promise.all(Array.from({ length: 10 }, () => store.transact(writes, "token")));
    expect(committed.every(({ ok }) => ok)).toBe(true);
    expect(await store.get(A)).toMatchObject({ counters: { n: 1 } });
    expect(await store.get(B)).toMatchObject({ rev: 1 });
  });
}
