import { expect } from "vitest";
import { ITEM_BYTES_MAX } from "#shared/domain/limits.ts";
import type { Write } from "#shared/ports.ts";
import { type EngineLimits, promisesOf } from "./promise.ts";
import { A, B, collect, commit, due, put, type StoreFixture } from "./store-fixture.ts";
import { storeLimitsContract } from "./store-limits.contract.ts";
import { storeListingContract } from "./store-listing.contract.ts";

/** Every promise of the Store port. `open` gives an empty store. */
export function storeContract(
  name: string,
  open: () => Promise<StoreFixture>,
  limits: EngineLimits = {},
): void {
  const promise = promisesOf(name, open, limits);
  storeListingContract(promise);
  storeLimitsContract(promise);

  promise("what was put is got back whole, with rev 1", async ({ store }) => {
    const body = { text: "ä€𝄞\u0000", list: [1, null, true, { deep: -0.5 }], empty: {} };
    await commit(store, [put(A, { body, counters: { left: 7 }, indexes: due("1") })]);
    expect(await store.get(A)).toEqual({ ...A, body, rev: 1, counters: { left: 7 }, indexes: due("1") });
  });

  promise("a key that was never put is absent", async ({ store }) => {
    await commit(store, [put(A)]);
    expect(await store.get(B)).toBeUndefined();
    expect(await store.get({ pk: "q", sk: "a" })).toBeUndefined();
  });

  promise("what a caller does to its objects afterwards changes nothing stored", async ({ store }) => {
    const body = { list: [1] };
    const counters = { left: 1 };
    await commit(store, [put(A, { body, counters })]);
    body.list.push(2);
    counters.left = 5;
    const read = (await store.get(A)) as { body: typeof body };
    read.body.list.push(3);
    expect(await store.get(A)).toMatchObject({ body: { list: [1] }, counters: { left: 1 } });
  });

  promise("an item is created once, however often it is tried", async ({ store }) => {
    await commit(store, [put(A, { body: "first" })]);
    expect(await store.transact([put(A, { body: "second" })])).toEqual({
      ok: false,
      refusals: ["condition"],
    });
    expect(await store.get(A)).toMatchObject({ body: "first", rev: 1 });
  });

  promise("a put on the current rev replaces the item and raises rev by one", async ({ store }) => {
    await commit(store, [put(A, { body: { old: 1 }, indexes: due("1") })]);
    await commit(store, [{ op: "put", item: { ...A, body: { new: 2 } }, when: { rev: 1 } }]);
    expect(await store.get(A)).toEqual({ ...A, body: { new: 2 }, rev: 2, counters: {}, indexes: {} });
  });

  promise("a put on a rev that is not the current one is refused", async ({ store }) => {
    await commit(store, [put(A, { body: 1 })]);
    for (const rev of [0, 2]) {
      const committed = await store.transact([{ op: "put", item: { ...A, body: 2 }, when: { rev } }]);
      expect(committed).toEqual({ ok: false, refusals: ["condition"] });
    }
    expect(await store.get(A)).toMatchObject({ body: 1, rev: 1 });
  });

  promise("keepRev writes without making the readers of the rev stale", async ({ store }) => {
    await commit(store, [put(A, { body: 1 })]);
    await commit(store, [{ op: "put", item: { ...A, body: 2 }, when: { rev: 1 }, keepRev: true }]);
    expect(await store.get(A)).toMatchObject({ body: 2, rev: 1 });
    await commit(store, [{ op: "put", item: { ...A, body: 3 }, when: { rev: 1 } }]);
    expect(await store.get(A)).toMatchObject({ body: 3, rev: 2 });
  });

  promise("an item created with keepRev starts at rev 1 too", async ({ store }) => {
    await commit(store, [{ op: "put", item: { ...A, body: 1 }, when: "absent", keepRev: true }]);
    expect(await store.get(A)).toMatchObject({ rev: 1 });
  });

  promise("a put on an existing item needs the item", async ({ store }) => {
    const write: Write = { op: "put", item: { ...A, body: 2 }, when: "exists" };
    expect(await store.transact([write])).toEqual({ ok: false, refusals: ["condition"] });
    await commit(store, [put(A)]);
    await commit(store, [write]);
    expect(await store.get(A)).toMatchObject({ body: 2, rev: 2 });
  });

  promise(
    "below lets only a greater number through, so a late write never overwrites a newer one",
    async ({ store }) => {
      const beat = (seq: number): Write => ({
        op: "put",
        item: { ...A, body: seq, counters: { seq } },
        when: { below: "seq", than: seq },
      });
      expect(await store.transact([beat(1)])).toMatchObject({ ok: false });
      await commit(store, [put(A, { body: 0, counters: { seq: 0 } })]);
      await commit(store, [beat(2)]);
      for (const late of [1, 2]) expect(await store.transact([beat(late)])).toMatchObject({ ok: false });
      await commit(store, [beat(3)]);
      expect(await store.get(A)).toMatchObject({ body: 3, counters: { seq: 3 } });
    },
  );

  promise("below refuses where the counter was never set", async ({ store }) => {
    await commit(store, [put(A)]);
    const check: Write = { op: "check", key: A, when: { below: "seq", than: 9 } };
    expect(await store.transact([check])).toEqual({ ok: false, refusals: ["condition"] });
  });

  promise("arithmetic changes the named counters alone, and neither body nor rev", async ({ store }) => {
    await commit(store, [put(A, { body: "b", counters: { left: 10, open: 0 }, indexes: due("1") })]);
    await commit(store, [{ op: "add", key: A, add: { left: -3 } }]);
    expect(await store.get(A)).toEqual({
      ...A,
      body: "b",
      rev: 1,
      counters: { left: 7, open: 0 },
      indexes: due("1"),
    });
  });

  promise("arithmetic stops at its floor, and reaching it exactly is allowed", async ({ store }) => {
    await commit(store, [put(A, { counters: { left: 5 } })]);
    const spend = (n: number): Write => ({ op: "add", key: A, add: { left: -n }, floor: { left: 0 } });
    expect(await store.transact([spend(6)])).toEqual({ ok: false, refusals: ["condition"] });
    await commit(store, [spend(5)]);
    expect(await store.transact([spend(1)])).toMatchObject({ ok: false });
    expect(await store.get(A)).toMatchObject({ counters: { left: 0 } });
  });

  promise("one floor that does not hold stops every counter of the addition", async ({ store }) => {
    await commit(store, [put(A, { counters: { left: 5, open: 0 } })]);
    const write: Write = { op: "add", key: A, add: { left: -9, open: 1 }, floor: { left: 0 } };
    expect(await store.transact([write])).toMatchObject({ ok: false });
    expect(await store.get(A)).toMatchObject({ counters: { left: 5, open: 0 } });
  });

  promise("arithmetic without a floor goes below zero", async ({ store }) => {
    await commit(store, [put(A, { counters: { left: 1 } })]);
    await commit(store, [{ op: "add", key: A, add: { left: -3 } }]);
    expect(await store.get(A)).toMatchObject({ counters: { left: -2 } });
  });

  promise("arithmetic on a missing item or counter is refused and creates nothing", async ({ store }) => {
    await commit(store, [put(B)]);
    for (const key of [A, B]) {
      const committed = await store.transact([{ op: "add", key, add: { left: 1 } }]);
      expect(committed).toEqual({ ok: false, refusals: ["condition"] });
    }
    expect(await store.get(A)).toBeUndefined();
    expect(await store.get(B)).toMatchObject({ counters: {} });
  });

  promise("counters as large as 10^15 stay exact", async ({ store }) => {
    await commit(store, [put(A, { counters: { left: 1e15 } })]);
    await commit(store, [{ op: "add", key: A, add: { left: -1 } }]);
    expect((await store.get(A))?.counters).toEqual({ left: 999_999_999_999_999 });
  });

  promise("a put sets the counters it names and leaves the others to arithmetic", async ({ store }) => {
    await commit(store, [put(A, { counters: { left: 5, open: 1 } })]);
    await commit(store, [{ op: "add", key: A, add: { left: -1 } }]);
    await commit(store, [{ op: "put", item: { ...A, body: 2, counters: { open: 9 } }, when: { rev: 1 } }]);
    expect(await store.get(A)).toMatchObject({ body: 2, counters: { left: 4, open: 9 } });
  });

  promise("fifty additions at once are all counted", async ({ store }) => {
    await commit(store, [put(A, { counters: { n: 0 } })]);
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        while (!(await store.transact([{ op: "add", key: A, add: { n: 1 } }])).ok);
      }),
    );
    expect(await store.get(A)).toMatchObject({ counters: { n: 50 }, rev: 1 });
  });

  promise("fifty writers on one rev have exactly one winner", async ({ store }) => {
    await commit(store, [put(A)]);
    const writers = Array.from({ length: 50 }, async (_, writer) => {
      const write: Write = { op: "put", item: { ...A, body: writer }, when: { rev: 1 } };
      let committed = await store.transact([write]);
      while (!committed.ok && committed.refusals[0] === "conflict") committed = await store.transact([write]);
      return committed.ok ? [writer] : [];
    });
    const winners = (await Promise.all(writers)).flat();
    expect(winners).toHaveLength(1);
    expect(await store.get(A)).toMatchObject({ body: winners[0], rev: 2 });
  });

  promise("fifty creators of one key have exactly one winner", async ({ store }) => {
    const creators = Array.from({ length: 50 }, async (_, creator) => {
      let committed = await store.transact([put(A, { body: creator })]);
      while (!committed.ok && committed.refusals[0] === "conflict") {
        committed = await store.transact([put(A, { body: creator })]);
      }
      return committed.ok ? [creator] : [];
    });
    const winners = (await Promise.all(creators)).flat();
    expect(winners).toHaveLength(1);
    expect(await store.get(A)).toMatchObject({ body: winners[0], rev: 1 });
  });

  promise(
    "a check holds the rest of its transaction to a condition and writes nothing",
    async ({ store }) => {
      await commit(store, [put(A)]);
      const withCheck = (rev: number): Write[] => [{ op: "check", key: A, when: { rev } }, put(B)];
      expect(await store.transact(withCheck(2))).toEqual({ ok: false, refusals: ["condition", undefined] });
      expect(await store.get(B)).toBeUndefined();
      await commit(store, withCheck(1));
      expect(await store.get(A)).toMatchObject({ rev: 1 });
      expect(await store.get(B)).toBeDefined();
    },
  );

  promise("a check can demand that an item is absent", async ({ store }) => {
    await commit(store, [{ op: "check", key: A, when: "absent" }]);
    await commit(store, [put(A)]);
    expect(await store.transact([{ op: "check", key: A, when: "absent" }])).toMatchObject({ ok: false });
  });

  promise("a delete removes the item, and one without a condition may be repeated", async ({ store }) => {
    await commit(store, [put(A)]);
    await commit(store, [{ op: "delete", key: A }]);
    await commit(store, [{ op: "delete", key: A }]);
    expect(await store.get(A)).toBeUndefined();
  });

  promise("a delete on a condition is refused where it does not hold", async ({ store }) => {
    expect(await store.transact([{ op: "delete", key: A, when: "exists" }])).toMatchObject({ ok: false });
    await commit(store, [put(A)]);
    expect(await store.transact([{ op: "delete", key: A, when: { rev: 2 } }])).toMatchObject({ ok: false });
    await commit(store, [{ op: "delete", key: A, when: { rev: 1 } }]);
    expect(await store.get(A)).toBeUndefined();
  });

  promise("an item deleted and created anew starts at rev 1 without its old counters", async ({ store }) => {
    await commit(store, [put(A, { counters: { left: 5 } })]);
    await commit(store, [{ op: "put", item: { ...A, body: 2 }, when: { rev: 1 } }]);
    await commit(store, [{ op: "delete", key: A }]);
    await commit(store, [put(A)]);
    expect(await store.get(A)).toMatchObject({ rev: 1, counters: {} });
  });

  promise("a transaction of a hundred writes of every kind happens whole", async ({ store }) => {
    await commit(store, [put(A, { counters: { n: 1 } }), put(B), put({ pk: "p", sk: "c" })]);
    await commit(store, [
      { op: "add", key: A, add: { n: 1 } },
      { op: "delete", key: B, when: "exists" },
      { op: "check", key: { pk: "p", sk: "c" }, when: { rev: 1 } },
      ...Array.from({ length: 97 }, (_, i) => put({ pk: "many", sk: String(i).padStart(3, "0") })),
    ]);
    expect(await collect((range) => store.list("many", range))).toHaveLength(97);
    expect(await store.get(A)).toMatchObject({ counters: { n: 2 } });
    expect(await store.get(B)).toBeUndefined();
  });

  promise(
    "a refused transaction changes nothing and says which of its writes were refused",
    async ({ store }) => {
      await commit(store, [put(A, { body: 1, counters: { n: 0 } })]);
      const committed = await store.transact([
        put(B),
        put(A),
        { op: "add", key: { pk: "p", sk: "none" }, add: { n: 1 } },
        { op: "delete", key: { pk: "p", sk: "gone" } },
        { op: "check", key: { pk: "p", sk: "other" }, when: "exists" },
      ]);
      expect(committed).toEqual({
        ok: false,
        refusals: [undefined, "condition", "condition", undefined, "condition"],
      });
      expect(await store.get(B)).toBeUndefined();
      expect(await store.get(A)).toMatchObject({ body: 1, rev: 1 });
    },
  );

  promise("more than a hundred writes are refused with a code, and none are a bug", async ({ store }) => {
    const writes = Array.from({ length: 101 }, (_, i) => put({ pk: "p", sk: `k${i}` }));
    await expect(store.transact(writes)).rejects.toMatchObject({
      kind: "input",
      code: "transaction_too_large",
    });
    expect(await store.get({ pk: "p", sk: "k0" })).toBeUndefined();
    await expect(store.transact([])).rejects.toThrow("invariant broken");
  });

  promise("two writes on one key in one transaction are a bug of the caller", async ({ store }) => {
    await expect(store.transact([put(A), { op: "check", key: A, when: "absent" }])).rejects.toThrow(
      "invariant broken",
    );
    expect(await store.get(A)).toBeUndefined();
  });

  promise("fractions and unsafe integers as counters are bugs of the caller", async ({ store }) => {
    await expect(store.transact([put(A, { counters: { n: 0.5 } })])).rejects.toThrow("invariant broken");
    await expect(store.transact([put(A, { counters: { n: 2 ** 53 } })])).rejects.toThrow("invariant broken");
    await commit(store, [put(A, { counters: { n: 1 } })]);
    await expect(store.transact([{ op: "add", key: A, add: { n: Number.NaN } }])).rejects.toThrow(
      "invariant broken",
    );
  });

  promise("a token commits its transaction once, whatever happened in between", async ({ store }) => {
    await commit(store, [put(A, { counters: { n: 0 } })]);
    const writes: Write[] = [{ op: "add", key: A, add: { n: 1 } }];
    expect(await store.transact(writes, "token-1")).toEqual({ ok: true });
    await commit(store, [{ op: "add", key: A, add: { n: 10 } }]);
    expect(await store.transact(writes, "token-1")).toEqual({ ok: true });
    expect(await store.get(A)).toMatchObject({ counters: { n: 11 } });
    expect(await store.transact(writes, "token-2")).toEqual({ ok: true });
    expect(await store.get(A)).toMatchObject({ counters: { n: 12 } });
  });

  promise("a token repeated after its own put still answers as committed", async ({ store }) => {
    expect(await store.transact([put(A)], "token")).toEqual({ ok: true });
    expect(await store.transact([put(A)], "token")).toEqual({ ok: true });
    expect(await store.get(A)).toMatchObject({ rev: 1 });
  });

  promise("a token with other content is refused as reused", async ({ store }) => {
    await store.transact([put(A)], "token");
    await expect(store.transact([put(B)], "token")).rejects.toMatchObject({
      name: "Fault",
      kind: "conflict",
      code: "token_reused",
    });
    expect(await store.get(B)).toBeUndefined();
  });

  promise("a refused transaction may be tried again under its token", async ({ store }) => {
    const writes: Write[] = [{ op: "put", item: { ...A, body: 2 }, when: "exists" }];
    expect(await store.transact(writes, "token")).toMatchObject({ ok: false });
    await commit(store, [put(A)]);
    expect(await store.transact(writes, "token")).toEqual({ ok: true });
    expect(await store.get(A)).toMatchObject({ body: 2 });
  });

  promise("an item may be as large as the limit and not a byte larger", async ({ store }) => {
    const body = "x".repeat(ITEM_BYTES_MAX - 2);
    await commit(store, [put(A, { body })]);
    expect((await store.get(A))?.body).toBe(body);
    await expect(store.transact([put(B, { body: `${body}x` })])).rejects.toMatchObject({
      kind: "input",
      code: "item_too_large",
    });
    const wide = "ä".repeat(ITEM_BYTES_MAX / 2);
    await expect(store.transact([put(B, { body: wide })])).rejects.toMatchObject({ code: "item_too_large" });
    expect(await store.get(B)).toBeUndefined();
  });

  promise("names that mean something to the language are ordinary counters", async ({ store }) => {
    const inherited: Readonly<Record<string, number>> = { toString: 1 };
    await commit(store, [put(A, { counters: { constructor: 2 } })]);
    expect(await store.transact([{ op: "add", key: A, add: inherited }])).toMatchObject({ ok: false });
    await commit(store, [{ op: "add", key: A, add: { constructor: 3 } }]);
    expect((await store.get(A))?.counters).toEqual({ constructor: 5 });
  });
}
