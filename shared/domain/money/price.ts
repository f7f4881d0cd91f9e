/**
 * Graduated prices: within a calendar month each unit costs the price of the tier it falls into, and tiers only get
 * cheaper. The total F(R) of R units is continuous and monotone; the amount of u further units is F(R + u) − F(R), so
 * what many jobs are charged sums to exactly what their units cost together, in whatever order they are rated.
 */
import { invariant } from "../fault.ts";
import type { RateClass } from "./terms.ts";

/** The units up to and including number `unitsMax` cost `micros` each: whole micro-units of the currency. */
export interface Tier {
  readonly unitsMax: number;
  readonly micros: number;
}

interface PriceVersion {
  readonly currency: "usd";
  readonly tiers: Readonly<Record<RateClass, readonly Tier[]>>;
}

export interface PriceBook {
  /** The version that months begun from now on are given. */
  readonly current: string;
  /** Every version that some month was ever given. */
  readonly versions: Readonly<Record<string, PriceVersion>>;
}

const BEYOND = Number.MAX_SAFE_INTEGER;

export const PRICE_BOOK: PriceBook = {
  current: "2026-11",
  versions: {
    "2026-11": {
      currency: "usd",
      tiers: {
        priority: tiers([300_000, 225_000, 150_000, 105_000, 75_000]),
        standard: tiers([200_000, 150_000, 100_000, 70_000, 50_000]),
        flex: tiers([100_000, 75_000, 50_000, 35_000, 25_000]),
      },
    },
  },
};

function tiers(micros: readonly [number, number, number, number, number]): readonly Tier[] {
  const ends = [100, 1_000, 10_000, 100_000];
  return micros.map((each, i) => ({ unitsMax: ends[i] ?? BEYOND, micros: each }));
}

/** The tiers of a class in a version. Breaches are bugs: the book is ours, and no stored month names another. */
export function tiersOf(book: PriceBook, version: string, rateClass: RateClass): readonly Tier[] {
  const found = book.versions[version]?.tiers[rateClass];
  invariant(found !== undefined, `the price book has a version ${version}`);
  for (const [i, tier] of found.entries()) {
    const before = found[i - 1];
    invariant(Number.isSafeInteger(tier.micros) && tier.micros >= 0, "prices are whole micro-units");
    invariant(
      before === undefined || (tier.micros <= before.micros && tier.unitsMax > before.unitsMax),
      "tiers get longer and cheaper",
    );
  }
  return found;
}

/** F(units): what so many units of a month cost together, in micro-units. */
function totalOf(tiers: readonly Tier[], units: number): number {
  let total = 0;
  let from = 0;
  for (const { unitsMax, micros } of tiers) {
    if (units <= from) break;
    total += (Math.min(units, unitsMax) - from) * micros;
    from = unitsMax;
  }
  return total;
}

/** What `units` more cost after the first `rated` of the month. */
export function amountOf(tiers: readonly Tier[], rated: number, units: number): number {
  return totalOf(tiers, rated + units) - totalOf(tiers, rated);
}

/**
 * What `units` may cost at most when `rated` of the month are counted by now: each at the price of the very next one.
 * Never too low, as the count never falls and tiers only get cheaper.
 */
export function boundOf(tiers: readonly Tier[], rated: number, units: number): number {
  return units * amountOf(tiers, rated, 1);
}
