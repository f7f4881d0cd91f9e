/**
 * Invariants 3 and 11 of one account's month: every counter is the sum of the rows it stands for, every cap is what is
 * left of it and what is held, and the amounts of a class are the price of its units. The arithmetic is the audit's own.
 */
import type { Breach } from "./finding.ts";
import {
  charged,
  heldByBatch,
  openBatches,
  TooMany,
  unrated,
  type Holding,
  type MoneyReader,
} from "./holdings.ts";
import { MonthRow, monthAt, monthKey, windowOf } from "./money-rows.ts";
import { compareSettled, frameOf, type Compared } from "./snapshot.ts";
import type { PriceBook } from "#shared/domain/money/price.ts";
import type { RateClass } from "#shared/domain/money/terms.ts";
import type { Clock, Item } from "#shared/ports.ts";

export interface BookDoors {
  readonly store: MoneyReader;
  readonly clock: Clock;
  readonly prices: PriceBook;
  /** The pause before another try, milliseconds. */
  readonly settleMs: number;
}

/** Names of counters, and batches, of one month that are summed up; beyond, it is not compared. */
const NAMES_MAX = 20_000;

/** The sums over the rows of a month. */
interface Sums {
  readonly counters: Map<string, number>;
  /** What was charged, by class and funding. */
  readonly amounts: Map<string, { readonly rateClass: string; units: number; micros: number }>;
  /** Rated lines by batch and outcome. */
  readonly batches: Map<string, Map<string, number>>;
  readonly odd: Breach[];
}

/** @param item a month, as read. @returns undefined when it kept moving, or holds more than is remembered. */
export async function monthBookBreaches(
  doors: BookDoors,
  item: Pick<Item, "body">,
  signal?: AbortSignal,
): Promise<Compared> {
  const month = MonthRow.safeParse(item.body).data;
  // What cannot be read has been found as such.
  if (month === undefined) return [];
  try {
    return await compareSettled(doors, (tries) => compareMonth(doors, month, tries), signal);
  } catch (error) {
    if (error instanceof TooMany) return undefined;
    throw error;
  }
}

async function compareMonth(
  { store, clock, prices }: BookDoors,
  whose: MonthRow,
  tries: number,
): Promise<Compared> {
  const { org, month } = whose;
  // Only where something is missing without them: they are looked for among everything that is due.
  const batches = tries === 1 ? [] : await openBatches(store);
  const keys = [monthKey(org, month), { pk: `ORG#${org}`, sk: "ACCOUNT" }, ...batches];
  const frame = await frameOf(store, keys);
  const [item, account] = frame.items;
  if (item === undefined) return [];
  const sums: Sums = { counters: new Map(), amounts: new Map(), batches: new Map(), odd: [] };
  for (const batch of frame.items.slice(2)) {
    const held = heldByBatch(batch?.body, whose);
    if (held !== undefined) addHolding(sums, whose, held);
  }
  const isOpen = (item.counters["open"] ?? 0) > 0;
  for await (const held of unrated(store, whose, isOpen ? month : undefined)) addHolding(sums, whose, held);
  for await (const held of charged(store, whose)) addHolding(sums, whose, held);
  const breaches = [
    ...sums.odd,
    ...counterBreaches(item, sums),
    ...amountBreaches(whose, sums, prices),
    ...(await countBreaches(store, sums)),
    ...capBreaches(item, account, { month, now: clock.now() }),
  ];
  return (await frameOf(store, keys)).mark === frame.mark ? breaches : undefined;
}

function addHolding(
  sums: Sums,
  { month, priceVersion }: MonthRow,
  { terms, micros, lines, charge }: Holding,
): void {
  const { counters, amounts, batches, odd } = sums;
  const window = windowOf(terms);
  const add = (name: string, value: number): void => {
    counters.set(name, (counters.get(name) ?? 0) + value);
    if (counters.size > NAMES_MAX) throw new TooMany();
  };
  add("left", micros);
  if (terms.key !== undefined) add(`left:${terms.key}`, micros);
  add("open", lines);
  if (window !== undefined) add(`open:${window}`, lines);
  const isAlien = monthAt(terms.acceptedAt) !== month || terms.priceVersion !== priceVersion;
  if (isAlien && odd.length === 0)
    odd.push(["amount_wrong", `one was accepted in ${monthAt(terms.acceptedAt)} on ${terms.priceVersion}`]);
  if (charge === undefined) return;
  add("spent", micros);
  const rate = `${terms.rateClass}:${terms.funding}`;
  add(`units:${rate}`, terms.units);
  if (window !== undefined) add(`metered:${window}`, terms.units);
  const amount = amounts.get(rate) ?? { rateClass: terms.rateClass, units: 0, micros: 0 };
  amount.units += terms.units;
  amount.micros += micros;
  amounts.set(rate, amount);
  if (terms.batch === undefined) return;
  const counts = batches.get(terms.batch) ?? new Map<string, number>();
  counts.set(charge.outcome, (counts.get(charge.outcome) ?? 0) + charge.lines);
  batches.set(terms.batch, counts);
  if (batches.size > NAMES_MAX) throw new TooMany();
}

/** Every counter that rows add up to, and every sum that has no counter. */
function counterBreaches({ counters }: Item, sums: Sums): Breach[] {
  const breaches: Breach[] = [];
  const isSummed = (name: string): boolean => /^(?:left|open|spent|units|metered)(?::|$)/.test(name);
  for (const name of new Set([...Object.keys(counters).filter(isSummed), ...sums.counters.keys()])) {
    const sum = sums.counters.get(name) ?? 0;
    const cap =
      name === "left" || name.startsWith("left:") ? counters[name.replace("left", "cap")] : undefined;
    const ought = cap === undefined ? sum : cap - sum;
    if (counters[name] !== ought)
      breaches.push(["month_unbalanced", `${name} is ${counters[name]}, its rows say ${ought}`]);
  }
  return breaches;
}

/** Rounding telescopes: whatever the order, the units of a class cost together what the tiers say. */
function amountBreaches({ priceVersion }: MonthRow, { amounts }: Sums, prices: PriceBook): Breach[] {
  const breaches: Breach[] = [];
  for (const [rate, { rateClass, units, micros }] of amounts) {
    let ought = 0;
    let from = 0;
    for (const tier of prices.versions[priceVersion]?.tiers[rateClass as RateClass] ?? []) {
      ought += Math.max(0, Math.min(units, tier.unitsMax) - from) * tier.micros;
      from = tier.unitsMax;
    }
    if (micros !== ought)
      breaches.push(["amount_wrong", `${units} units of ${rate} are charged ${micros} and cost ${ought}`]);
  }
  return breaches;
}

/** What a batch counts as ended is what is rated. */
async function countBreaches(store: MoneyReader, { batches }: Sums): Promise<Breach[]> {
  const breaches: Breach[] = [];
  for (const [id, counts] of batches) {
    const { counters = {} } = (await store.get({ pk: `BATCH#${id}`, sk: "BATCH" })) ?? {};
    for (const [outcome, lines] of counts)
      if (counters[outcome] !== lines)
        breaches.push([
          "batch_unbalanced",
          `${id} counts ${counters[outcome]} ${outcome}, ${lines} are rated`,
        ]);
  }
  return breaches;
}

/** A changed cap changes the month that runs in the same transaction. Around its end, clocks may disagree. */
function capBreaches(item: Item, account: Item | undefined, at: { month: string; now: number }): Breach[] {
  const cap = (account?.body as { cap?: number } | undefined)?.cap;
  const runs = [at.now - CLOCKS_MS, at.now + CLOCKS_MS].every((instant) => monthAt(instant) === at.month);
  if (!runs || cap === undefined || cap === item.counters["cap"]) return [];
  return [["cap_differs", `its cap is ${item.counters["cap"]}, the account's is ${cap}`]];
}

const CLOCKS_MS = 15 * 60_000;
