/**
 * The money of a create call: the terms a job is accepted on, and the writes that take its bound in the transaction
 * that stores it. Month and counters that are there no longer than a first use need are opened before.
 */
import { accountKey, readSettings, takeBalance, type Settings } from "#shared/domain/money/account.ts";
import {
  counterOf,
  leftName,
  missingCounters,
  monthKey,
  monthOf,
  newMonth,
  ratedName,
  readMonth,
  takeBounds,
  windowOf,
  withCounters,
  type Month,
} from "#shared/domain/money/month.ts";
import { boundOf, PRICE_BOOK, tiersOf, type PriceBook } from "#shared/domain/money/price.ts";
import { asRead } from "#shared/domain/money/row.ts";
import { isMetered, type RateClass, type Terms } from "#shared/domain/money/terms.ts";
import { newWindow, windowItem } from "#shared/domain/money/window.ts";
import { Fault } from "#shared/domain/fault.ts";
import { CONFLICT_TRIES_MAX } from "#shared/domain/limits.ts";
import type { Item, Store, Write } from "#shared/ports.ts";

export interface AcceptDoors {
  readonly store: Store;
  /** Absent: the book in force. */
  readonly prices?: PriceBook;
}

export interface AcceptAsk {
  readonly org: string;
  readonly key?: string;
  readonly rateClass: RateClass;
  /** Of each job, at most. */
  readonly units: number;
  /** How many jobs; 1 unless it is a batch. */
  readonly lines?: number;
  readonly batch?: string;
  /** The instant of the accept: it decides the month. */
  readonly at: number;
}

export interface Acceptance {
  readonly terms: Terms;
  /** Take the bounds, in the transaction that stores the job; refused where caps or balance no longer suffice. */
  readonly writes: readonly Write[];
}

/**
 * Reads what the month says now, and answers with the terms it allows. Called anew for every try of the transaction.
 * @throws Fault conflict `cap_reached`, `balance_exhausted`, `keys_exceeded`; busy `store_busy`.
 */
export async function takeTerms(doors: AcceptDoors, ask: AcceptAsk): Promise<Acceptance> {
  const { org, key, rateClass, units, lines = 1, batch, at } = ask;
  for (let tries = 1; tries <= CONFLICT_TRIES_MAX; tries++) {
    const account = await doors.store.get(accountKey(org));
    const { settings, month } = await openedMonth(doors, { org, month: monthOf(at) }, account);
    if (month === undefined) continue;
    const base: Omit<Terms, "units" | "bound"> = {
      acceptedAt: at,
      month: month.month,
      rateClass,
      priceVersion: month.priceVersion,
      funding: settings.funding,
      ...(key === undefined ? {} : { key }),
      ...(batch === undefined ? {} : { batch }),
    };
    if (!(await openCounters(doors, { month, settings, account }, base))) continue;
    const tiers = tiersOf(doors.prices ?? PRICE_BOOK, month.priceVersion, rateClass);
    const bound = boundOf(tiers, month.counters[ratedName(base)] ?? 0, units);
    const terms: Terms = { ...base, units, bound };
    checkRemainders(month, account, terms, lines);
    const balance = terms.funding === "prepaid" ? [takeBalance(org, lines * bound)] : [];
    return { terms, writes: [takeBounds(org, terms, lines), ...balance] };
  }
  throw new Fault("busy", "store_busy", "Too much is happening to this account; please repeat the call.");
}

/** The month as stored; put by whoever needs it first, under the settings as they are then. */
async function openedMonth(
  { store, prices = PRICE_BOOK }: AcceptDoors,
  at: { readonly org: string; readonly month: string },
  account: Item | undefined,
): Promise<{ settings: Settings; month: Month | undefined }> {
  const settings = readSettings(account);
  const stored = await store.get(monthKey(at.org, at.month));
  if (stored !== undefined) return { settings, month: readMonth(stored) };
  await store.transact([
    { op: "put", item: newMonth({ ...at, priceVersion: prices.current }, settings), when: "absent" },
    { op: "check", key: accountKey(at.org), when: asRead(account) },
  ]);
  return { settings, month: undefined };
}

/** Answers whether the month had them all; if not, they are opened, and everything is to be read again. */
async function openCounters(
  { store }: AcceptDoors,
  read: { readonly month: Month; readonly settings: Settings; readonly account: Item | undefined },
  terms: Omit<Terms, "units" | "bound">,
): Promise<boolean> {
  const { month, settings, account } = read;
  const missing = missingCounters(month, terms, settings);
  if (Object.keys(missing).length === 0) return true;
  const window = windowOf(terms);
  const isNew = window !== undefined && month.counters[`open:${window}`] === undefined;
  await store.transact([
    { op: "put", item: withCounters(month, missing), when: { rev: month.rev } },
    { op: "check", key: accountKey(month.org), when: asRead(account) },
    ...(isNew && isMetered(terms.funding)
      ? [
          {
            op: "put" as const,
            item: windowItem(newWindow(terms, { org: month.org, window, funding: terms.funding })),
            when: "absent" as const,
          },
        ]
      : []),
  ]);
  return false;
}

/** Says which remainder does not suffice; the transaction asks again, for all that happens in between. */
function checkRemainders(month: Month, account: Item | undefined, terms: Terms, lines: number): void {
  const bound = lines * terms.bound;
  const lefts = [leftName(), ...(terms.key === undefined ? [] : [leftName(terms.key)])];
  if (lefts.some((name) => counterOf(month, name) < bound))
    throw new Fault(
      "conflict",
      "cap_reached",
      "This would pass the month's spending cap; raise the cap, or wait for the next month.",
    );
  if (terms.funding === "prepaid" && (account?.counters["available"] ?? 0) < bound)
    throw new Fault(
      "conflict",
      "balance_exhausted",
      "The prepaid balance does not suffice for this restoration; please top it up.",
    );
}
