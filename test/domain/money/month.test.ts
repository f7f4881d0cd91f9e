import { expect, test } from "vitest";
import { MONTH_KEYS_MAX, NO_CAP } from "#shared/domain/limits.ts";
import { counterOf, missingCounters, type Month } from "#shared/domain/money/month.ts";
import { START } from "../job-fixture.ts";

const settings = { cap: NO_CAP, keyCaps: { key_a: 500 }, funding: "ledger" } as const;
const terms = {
  acceptedAt: START,
  month: "2026-11",
  rateClass: "standard",
  priceVersion: "p1",
  funding: "ledger",
} as const;

function month(keys: number): Month {
  const caps = Array.from({ length: keys }, (_, i) => [`cap:key_${i}`, 1]);
  const counters = Object.fromEntries([...caps, ["units:standard:ledger", 0]]) as Record<string, number>;
  return { org: "org_1", month: "2026-11", priceVersion: "p1", rev: 1, counters };
}

test("a key is counted from its first use on, under its own cap or none", () => {
  expect(missingCounters(month(0), { ...terms, key: "key_a" }, settings)).toEqual({
    "cap:key_a": 500,
    "left:key_a": 500,
  });
  expect(missingCounters(month(0), { ...terms, key: "toString" }, settings)).toMatchObject({
    "cap:toString": NO_CAP,
  });
});

test("more keys than a month counts are refused; those it knows, and what has no key, are not", () => {
  const full = month(MONTH_KEYS_MAX);
  expect(() => missingCounters(full, { ...terms, key: "key_new" }, settings)).toThrow(/200 API keys/);
  expect(missingCounters(full, { ...terms, funding: "prepaid" }, settings)).toEqual({
    "units:standard:prepaid": 0,
  });
  expect(missingCounters(full, terms, settings)).toEqual({});
});

test("a counter that is not there is a bug", () => {
  expect(() => counterOf(month(0), "left")).toThrow(/counts left/);
});
