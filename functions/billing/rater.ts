/**
 * The rater of an account's month: it turns ended jobs into rows of the ledger, gives back what their bounds took too
 * much and counts batches. Rung after each end and by the rows' own timers; two at once are harmless, one wins each
 * page.
 */
import { batchKey } from "#shared/domain/money/batch.ts";
import { counterOf, monthKey, readMonth, type Month } from "#shared/domain/money/month.ts";
import { PRICE_BOOK, type PriceBook } from "#shared/domain/money/price.ts";
import { rate, type Rating } from "#shared/domain/money/rate.ts";
import type { Counters } from "#shared/domain/money/row.ts";
import {
  isRatable,
  putOffUnrated,
  unratedItem,
  unratedKey,
  unratedPartition,
  unratedPrefix,
  type Unrated,
} from "#shared/domain/money/unrated.ts";
import { RATE_PAGES_MAX, RATE_ROWS_MAX, RATE_TRIES_MAX } from "#shared/domain/limits.ts";
import { fullJitter } from "#shared/jitter.ts";
import type { Log } from "#shared/log.ts";
import type { Clock, Committed, Entropy, Store } from "#shared/ports.ts";

export interface RaterDoors {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  /** Absent: the book in force. */
  readonly prices?: PriceBook;
}

interface MonthAt {
  readonly org: string;
  readonly month: string;
}

/** What became of a page. `lost`: another rater is at work on this month. */
type PageEnd = { readonly rated: number } | "again" | "empty" | "lost";

/** The pause before the same page is tried again, at most. */
const PAUSE_MS_MAX = 100;

/** Rates what has ended, page by page; answers how many rows. @throws Fault busy `store_busy`. */
export async function rateMonth(doors: RaterDoors, at: MonthAt): Promise<number> {
  let rated = 0;
  let tries = 0;
  for (let pages = 0; pages < RATE_PAGES_MAX && tries < RATE_TRIES_MAX;) {
    const end = await ratePage(doors, at);
    if (end === "empty" || end === "lost") break;
    if (end === "again") {
      tries += 1;
      await doors.clock.sleep(fullJitter(PAUSE_MS_MAX, doors.entropy));
      continue;
    }
    pages += 1;
    tries = 0;
    rated += end.rated;
  }
  return rated;
}

async function ratePage(doors: RaterDoors, at: MonthAt): Promise<PageEnd> {
  // The month first: whoever rates after this read moves its sequence, and this page is lost.
  const month = await readMonthAt(doors.store, at);
  if (month === undefined) return "empty";
  const rows = await ratableRows(doors, at);
  if (rows.length === 0) return "empty";
  const batches = await readBatches(doors.store, rows);
  const { prices = PRICE_BOOK } = doors;
  const rating = rate({ month, rows, batches, prices, now: doors.clock.now() });
  if (rating.faulty.length > 0) {
    // Computed from an outdated month, any row may look wrong.
    const now = await readMonthAt(doors.store, at);
    if (now === undefined || counterOf(now, "ratedSeq") !== counterOf(month, "ratedSeq")) return "lost";
    // An accept has opened counters since, and its row is here already.
    if (Object.keys(now.counters).length !== Object.keys(month.counters).length) return "again";
    for (const { row, reason } of rating.faulty) await putOff(doors, row, reason);
  }
  if (rating.writes.length === 0) return "again";
  const committed = await doors.store.transact(rating.writes);
  return committed.ok ? { rated: rating.taken.length } : afterRefusal(doors, rating, committed.refusals);
}

async function readMonthAt(store: Store, { org, month }: MonthAt): Promise<Month | undefined> {
  const stored = await store.get(monthKey(org, month));
  return stored === undefined ? undefined : readMonth(stored);
}

/** The first rows that are not backing off. */
async function ratableRows({ store, clock }: RaterDoors, { org, month }: MonthAt): Promise<Unrated[]> {
  const found: Unrated[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list(unratedPartition(org), {
      limit: RATE_ROWS_MAX,
      prefix: unratedPrefix(month),
      ...(cursor === undefined ? {} : { cursor }),
    });
    const rows = page.rows.map(({ body }) => body as Unrated);
    found.push(...rows.filter((row) => isRatable(row, clock.now())));
    cursor = page.cursor;
  } while (cursor !== undefined && found.length < RATE_ROWS_MAX);
  return found.slice(0, RATE_ROWS_MAX);
}

async function readBatches(store: Store, rows: readonly Unrated[]): Promise<ReadonlyMap<string, Counters>> {
  const batches = new Map<string, Counters>();
  for (const { batch } of rows) {
    if (batch === undefined || batches.has(batch)) continue;
    const stored = await store.get(batchKey(batch));
    if (stored !== undefined) batches.set(batch, stored.counters);
  }
  return batches;
}

/** A row that cannot be rated backs off alone, and pages somebody. */
async function putOff({ store, clock, log }: RaterDoors, row: Unrated, reason: string): Promise<void> {
  log.error("row_unratable", { org: row.org, row: row.row, reason });
  const stored = await store.get(unratedKey(row));
  if (stored === undefined) return;
  const item = unratedItem(putOffUnrated(stored.body as Unrated, clock.now()));
  await store.transact([{ op: "put", item, when: { rev: stored.rev } }]);
}

/** The month's write comes first, then two of each row. Whatever is no condition is a conflict with accepts. */
async function afterRefusal(
  doors: RaterDoors,
  { taken }: Rating,
  refusals: (Committed & { readonly ok: false })["refusals"],
): Promise<PageEnd> {
  if (refusals[0] === "condition") return "lost";
  for (const [i, row] of taken.entries())
    if (refusals[2 + 2 * i] === "condition") await putOff(doors, row, "the ledger has it already");
  return "again";
}
