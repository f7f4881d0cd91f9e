/**
 * rate(month, rows): what the rater writes for a page of ended jobs. Pure; the rater (functions/billing/rater.ts)
 * reads, writes and repeats. Everything but the rows themselves moves by arithmetic, and all of it on the month's
 * `ratedSeq` as it was read, so two raters never count the same tiers.
 */
import { COUNTERS_CHANGED_MAX, TRANSACTION_WRITES_MAX } from "../limits.ts";
import { giveBack } from "./account.ts";
import { batchKey, completedRow } from "./batch.ts";
import { chargeItem } from "./ledger.ts";
import {
  counterOf,
  leftName,
  meteredName,
  monthKey,
  openName,
  ratedName,
  windowOf,
  type Month,
} from "./month.ts";
import { amountOf, tiersOf, type PriceBook } from "./price.ts";
import type { Change, Counters } from "./row.ts";
import { unratedKey, type Unrated } from "./unrated.ts";

export interface RatingAsk {
  /** Read before everything else. */
  readonly month: Month;
  /** Of that month. */
  readonly rows: readonly Unrated[];
  /** The counters of the batches that the rows name, read after the month. */
  readonly batches: ReadonlyMap<string, Counters>;
  readonly prices: PriceBook;
  readonly now: number;
}

export interface Rating {
  /** At most TRANSACTION_WRITES_MAX; the month's own first, then those of the rows taken, delete and put in turn. */
  readonly writes: readonly Change[];
  readonly taken: readonly Unrated[];
  /** Rows that no rater can take as they are. Only to be believed while the month is still as it was read. */
  readonly faulty: readonly { readonly row: Unrated; readonly reason: string }[];
}

/** The sums of a page, by the name of the counter. */
interface Sums {
  readonly month: Record<string, number>;
  readonly batches: Map<string, Record<string, number>>;
  /** Undefined as long as no row was prepaid. */
  available?: number;
}

export function rate(ask: RatingAsk): Rating {
  const sums: Sums = { month: {}, batches: new Map() };
  const taken: Unrated[] = [];
  const faulty: { row: Unrated; reason: string }[] = [];
  const rows: Change[] = [];
  for (const row of ask.rows) {
    const priced = priceOf(ask, row, sums.month[ratedName(row)] ?? 0);
    if (typeof priced === "string") {
      faulty.push({ row, reason: priced });
      continue;
    }
    const changes = monthChanges(row, priced.amount);
    if (!fits(sums, rows.length, row, changes)) break;
    addTo(sums.month, changes);
    if (row.funding === "prepaid") sums.available = (sums.available ?? 0) + row.bound - priced.amount;
    if (row.batch !== undefined) {
      const counts = sums.batches.get(row.batch) ?? {};
      addTo(counts, { pending: -row.lines, [row.outcome]: row.lines });
      sums.batches.set(row.batch, counts);
    }
    rows.push(
      { op: "delete", key: unratedKey(row), when: "exists" },
      { op: "put", item: chargeItem(row, priced.amount), when: "absent" },
    );
    taken.push(row);
  }
  return { writes: taken.length === 0 ? [] : allWrites(ask, sums, rows), taken, faulty };
}

/** What the row is charged after `before` further units of its class in this page; a sentence when that cannot be. */
function priceOf(
  { month, batches, prices }: RatingAsk,
  row: Unrated,
  before: number,
): { amount: number } | string {
  if (row.priceVersion !== month.priceVersion) return `it was accepted on ${row.priceVersion}`;
  if ((row.outcome === "succeeded") !== row.units > 0) return `it ${row.outcome} with ${row.units} units`;
  const names = Object.keys(monthChanges(row, 0));
  const unknown = names.find((name) => month.counters[name] === undefined);
  if (unknown !== undefined) return `the month does not count ${unknown}`;
  if (row.batch !== undefined && !batches.has(row.batch)) return `the batch ${row.batch} is gone`;
  const tiers = tiersOf(prices, row.priceVersion, row.rateClass);
  const amount = amountOf(tiers, counterOf(month, ratedName(row)) + before, row.units);
  return amount > row.bound ? `the amount ${amount} passes the bound ${row.bound}` : { amount };
}

/** The counters of the month that one row moves. */
function monthChanges(row: Unrated, amount: number): Record<string, number> {
  const window = windowOf(row);
  const back = row.bound - amount;
  return {
    left: back,
    spent: amount,
    open: -row.lines,
    [ratedName(row)]: row.units,
    ...(row.key === undefined ? {} : { [leftName(row.key)]: back }),
    ...(window === undefined ? {} : { [openName(window)]: -row.lines, [meteredName(window)]: row.units }),
  };
}

/** Month, account, each row twice, each batch with the event of its completion: within one transaction. */
function fits(sums: Sums, rowWrites: number, row: Unrated, changes: Record<string, number>): boolean {
  const batches = new Set([...sums.batches.keys(), ...(row.batch === undefined ? [] : [row.batch])]).size;
  const counters = new Set([...Object.keys(sums.month), ...Object.keys(changes), "ratedSeq"]).size;
  return 2 + rowWrites + 2 + 2 * batches <= TRANSACTION_WRITES_MAX && counters <= COUNTERS_CHANGED_MAX;
}

function addTo(sums: Record<string, number>, changes: Record<string, number>): void {
  for (const [name, value] of Object.entries(changes)) sums[name] = (sums[name] ?? 0) + value;
}

function allWrites({ month, batches, now }: RatingAsk, sums: Sums, rows: readonly Change[]): Change[] {
  const seq = counterOf(month, "ratedSeq") - 1;
  const { org } = month;
  const counts = [...sums.batches].flatMap(([id, add]): Change[] => {
    const after: Record<string, number> = { ...batches.get(id) };
    addTo(after, add);
    const done = after["pending"] === 0;
    return [
      { op: "add", key: batchKey(id), add },
      ...(done ? [{ op: "put", item: completedRow(org, id, now), when: "absent" } as const] : []),
    ];
  });
  return [
    {
      op: "add",
      key: monthKey(org, month.month),
      add: { ...sums.month, ratedSeq: -1 },
      floor: { ratedSeq: seq },
    },
    ...rows,
    ...(sums.available === undefined ? [] : [giveBack(org, sums.available)]),
    ...counts,
  ];
}
