/**
 * A month of an account: the one place where its caps, open jobs and rated units are counted. Its counters move by
 * arithmetic alone, so accepts and the rater never overwrite each other. A cap is kept as what is left of it.
 *
 *   cap, left            the whole month's; cap:<key>, left:<key> those of an API key
 *   open                 jobs accepted and not yet rated
 *   spent                what was rated, in micro-units
 *   units:<class>:<funding>   rated units: where in the tiers the month stands
 *   open:<window>, metered:<window>   the same two of a day of a subscription, for the comparison with its meter
 *   ratedSeq, opened     fall by one with each rating, each opening of counters. A floor can only say "not below", but
 *                        of a counter that only falls, "not below what I read" says "exactly what I read"
 */
import { Fault, invariant } from "../fault.ts";
import { MONTH_KEYS_MAX, NO_CAP } from "../limits.ts";
import type { Settings } from "./account.ts";
import type { Addition, Counters, Key, Row, Stored } from "./row.ts";
import { isMetered, type Terms } from "./terms.ts";

export interface Month {
  readonly org: string;
  /** `yyyy-mm`. */
  readonly month: string;
  /** Given at the month's first accept, for all of it. */
  readonly priceVersion: string;
  readonly rev: number;
  readonly counters: Counters;
}

/** The calendar month (UTC) of an instant, `yyyy-mm`. */
export function monthOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}

/** The first instant of the month after. */
export function monthEnd(month: string): number {
  const start = new Date(`${month}-01T00:00:00.000Z`);
  return Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1);
}

export function monthKey(org: string, month: string): Key {
  return { pk: `ORG#${org}`, sk: `MONTH#${month}` };
}

export function newMonth(
  { org, month, priceVersion }: Pick<Month, "org" | "month" | "priceVersion">,
  settings: Settings,
): Row {
  return {
    ...monthKey(org, month),
    body: { org, month, priceVersion },
    counters: { cap: settings.cap, left: settings.cap, open: 0, spent: 0, ratedSeq: 0, opened: 0 },
  };
}

export function readMonth(stored: Stored): Month {
  const { org, month, priceVersion } = stored.body as Pick<Month, "org" | "month" | "priceVersion">;
  return { org, month, priceVersion, rev: stored.rev, counters: stored.counters };
}

/** @throws when the month has no such counter: a bug, as accepts open what they use. */
export function counterOf({ counters, month }: Month, name: string): number {
  const value = counters[name];
  invariant(value !== undefined, `the month ${month} counts ${name}`);
  return value;
}

// ---------------------------------------------------------------------------------------------- names of its counters

export function leftName(key?: string): string {
  return key === undefined ? "left" : `left:${key}`;
}

function capName(key: string): string {
  return `cap:${key}`;
}

export function ratedName({ rateClass, funding }: Pick<Terms, "rateClass" | "funding">): string {
  return `units:${rateClass}:${funding}`;
}

export function openName(window: string): string {
  return `open:${window}`;
}

export function meteredName(window: string): string {
  return `metered:${window}`;
}

/** The day of a subscription and class whose metered units are compared together; undefined where nothing is metered. */
export function windowOf({
  acceptedAt,
  rateClass,
  funding,
}: Omit<Terms, "units" | "bound">): string | undefined {
  if (!isMetered(funding)) return undefined;
  return `${new Date(acceptedAt).toISOString().slice(0, 10)}:${rateClass}:${funding}`;
}

// -------------------------------------------------------------------------------------------------------- its changes

/**
 * The counters that terms need and the month lacks, with their first values; none when it has them all.
 * @throws Fault conflict `keys_exceeded` beyond MONTH_KEYS_MAX keys.
 */
export function missingCounters(
  month: Month,
  terms: Omit<Terms, "units" | "bound">,
  settings: Settings,
): Counters {
  const needed: Record<string, number> = { [ratedName(terms)]: 0 };
  if (terms.key !== undefined) {
    const cap = capOfKey(settings, terms.key);
    needed[capName(terms.key)] = cap;
    needed[leftName(terms.key)] = cap;
  }
  const window = windowOf(terms);
  if (window !== undefined) {
    needed[openName(window)] = 0;
    needed[meteredName(window)] = 0;
  }
  const missing = Object.entries(needed).filter(([name]) => month.counters[name] === undefined);
  const keys = Object.keys(month.counters).filter((name) => name.startsWith("cap:")).length;
  if (keys >= MONTH_KEYS_MAX && missing.some(([name]) => name.startsWith("cap:")))
    throw new Fault(
      "conflict",
      "keys_exceeded",
      `Within a month ${MONTH_KEYS_MAX} API keys can create; please use one of those.`,
    );
  return Object.fromEntries(missing);
}

/** The item with further counters, to be put on the rev it was read at. */
export function withCounters(month: Month, counters: Counters): Row {
  const { org, priceVersion } = month;
  return {
    ...monthKey(org, month.month),
    body: { org, month: month.month, priceVersion },
    counters: { ...counters, opened: counterOf(month, "opened") - 1 },
  };
}

/** Takes the bounds of `lines` jobs; refused where a remainder would not suffice. */
export function takeBounds(org: string, terms: Terms, lines: number): Addition {
  const bound = lines * terms.bound;
  const window = windowOf(terms);
  const key = terms.key === undefined ? undefined : leftName(terms.key);
  return {
    op: "add",
    key: monthKey(org, terms.month),
    add: {
      left: -bound,
      open: lines,
      ...(key === undefined ? {} : { [key]: -bound }),
      ...(window === undefined ? {} : { [openName(window)]: lines }),
    },
    floor: { left: 0, ...(key === undefined ? {} : { [key]: 0 }) },
  };
}

/**
 * Moves the caps of a month to new settings; exactly for the counters that were read. What is left may fall below
 * zero: that only stops accepts.
 */
export function moveCaps(month: Month, settings: Settings): Addition {
  const add: Record<string, number> = { opened: 0 };
  for (const name of Object.keys(month.counters)) {
    const key = name === "cap" ? undefined : /^cap:(.+)$/.exec(name)?.[1];
    if (name !== "cap" && key === undefined) continue;
    const cap = key === undefined ? settings.cap : capOfKey(settings, key);
    const step = cap - counterOf(month, name);
    if (step === 0) continue;
    add[name] = step;
    add[leftName(key)] = step;
  }
  return {
    op: "add",
    key: monthKey(month.org, month.month),
    add,
    floor: { opened: counterOf(month, "opened") },
  };
}

function capOfKey(settings: Settings, key: string): number {
  return new Map(Object.entries(settings.keyCaps)).get(key) ?? NO_CAP;
}
