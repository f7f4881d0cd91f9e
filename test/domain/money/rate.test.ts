import { expect, test } from "vitest";
import { rate } from "#shared/domain/money/rate.ts";
import type { Month } from "#shared/domain/money/month.ts";
import type { PriceBook } from "#shared/domain/money/price.ts";
import { unrated, type Unrated } from "#shared/domain/money/unrated.ts";
import { START } from "../job-fixture.ts";

const tiers = [
  { unitsMax: 10, micros: 20 },
  { unitsMax: Number.MAX_SAFE_INTEGER, micros: 10 },
];
const prices: PriceBook = {
  current: "p1",
  versions: { p1: { currency: "usd", tiers: { priority: tiers, standard: tiers, flex: tiers } } },
};
const month: Month = {
  org: "org_1",
  month: "2026-11",
  priceVersion: "p1",
  rev: 1,
  counters: { cap: 1_000, left: 900, open: 9, spent: 0, ratedSeq: -4, opened: 0, "units:standard:ledger": 9 },
};

function row(change: Partial<Unrated> = {}): Unrated {
  const terms = {
    acceptedAt: START,
    month: "2026-11",
    rateClass: "standard",
    priceVersion: "p1",
    funding: "ledger",
    units: 4,
    bound: 80,
  } as const;
  const of = { org: "org_1", row: "job_1", outcome: "succeeded", lines: 1, units: 4, bound: 80 } as const;
  return { ...unrated(terms, of, START), ...change };
}
const rated = (rows: readonly Unrated[], batches = new Map<string, Record<string, number>>()) =>
  rate({ month, rows, batches, prices, now: START });

test("a row is charged by the tier that the month has reached, and gives back what its bound took too much", () => {
  const { writes, taken, faulty } = rated([row()]);
  expect([taken.length, faulty]).toEqual([1, []]);
  expect(writes[0]).toMatchObject({
    op: "add",
    add: { spent: 50, left: 30, open: -1, "units:standard:ledger": 4, ratedSeq: -1 },
    floor: { ratedSeq: -5 },
  });
});

test.each([
  ["accepted on prices of another month", { priceVersion: "p2" }, "it was accepted on p2"],
  ["failed with units", { outcome: "failed" }, "it failed with 4 units"],
  ["succeeded without units", { units: 0 }, "it succeeded with 0 units"],
  ["of a key that the month does not know", { key: "key_x" }, "the month does not count left:key_x"],
  ["of a batch that is gone", { batch: "bat_1" }, "the batch bat_1 is gone"],
  ["dearer than its bound", { bound: 10 }, "the amount 50 passes the bound 10"],
] as const)("a row %s is put aside with its reason, and the others are rated", (_, change, reason) => {
  const bad = row({ row: "job_bad", ...change });
  const { faulty, taken } = rated([bad, row()]);
  expect(faulty).toEqual([{ row: bad, reason }]);
  expect(taken).toMatchObject([{ row: "job_1" }]);
});

test("of nothing but faulty rows nothing is written", () => {
  expect(rated([row({ units: 0 })]).writes).toEqual([]);
});

test("the rating that counts a batch's last line tells so, an earlier one does not", () => {
  const told = (pending: number): boolean =>
    rated([row({ batch: "bat_1" })], new Map([["bat_1", { pending, succeeded: 0 }]])).writes.some(
      (write) => write.op === "put" && write.item.sk.includes("batch.completed"),
    );
  expect([told(2), told(1)]).toEqual([false, true]);
});
