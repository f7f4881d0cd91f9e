/**
 * The audit: walks a whole store page by page and holds what is written there against the invariants of
 * docs/reliability.md. It writes nothing, holds one page of each part in memory, and may run beside a busy system.
 *
 * A walk over a live table is no snapshot: an item may be older than the one it is compared with, and an index lags
 * behind. So whatever looks broken is read anew after a pause, strongly consistent, and counts only if it is broken still.
 * Sums over many rows (an account, one of its months) are compared only while their counters stand still; where they keep
 * moving, it is said that nothing was compared.
 */
import { accountBookBreaches } from "./account-books.ts";
import { blobBreaches, type BlobDepth } from "./blob-rules.ts";
import type { Breach, Finding } from "./finding.ts";
import { dueBreaches, isAccount, isMonth, ITEM_RULES, jobOf } from "./item-rules.ts";
import { monthBookBreaches } from "./month-books.ts";
import { pages } from "./pages.ts";
import { DUE_CLASSES, duePartition, readyPartition } from "#shared/domain/job.ts";
import { INDEX_SHARDS, PAGE_ROWS_MAX } from "#shared/domain/limits.ts";
import { PRICE_BOOK, type PriceBook } from "#shared/domain/money/price.ts";
import type { Blobs, Clock, IndexName, Item, Key, Store, StoreScan } from "#shared/ports.ts";

export interface AuditDoors {
  readonly store: Pick<Store, "get" | "list" | "nominate"> & StoreScan;
  readonly clock: Clock;
  /** Absent: the book in force. */
  readonly prices?: PriceBook;
  /** Absent: objects are not looked at. */
  readonly blobs?: { readonly blobs: Pick<Blobs, "head" | "download" | "list">; readonly depth: BlobDepth };
}

export interface AuditAsk {
  /** Readers side by side, 1 to 64. An engine that is not split gives everything to the first. */
  readonly parts: number;
  readonly onFinding: (finding: Finding) => void;
  /** A month or an account that moved whenever it was read, or is larger than what is remembered of one. */
  readonly onUncompared: (key: Key) => void;
  /** After every page. */
  readonly onProgress: (counts: AuditCounts) => void;
}

export interface AuditCounts {
  readonly items: number;
  readonly jobs: number;
  /** Items of kinds that this version does not know. */
  readonly unknown: number;
  /** Months and accounts whose sums were not compared. */
  readonly uncompared: number;
  readonly findings: number;
}

type Entry = Key & { readonly at: string };

/** Longer than a commit is under way, and than an index lags behind on a good day. */
const SETTLE_MS = 2_000;

/** @throws what the engines throw; the signal's reason. */
export async function audit(doors: AuditDoors, ask: AuditAsk, signal?: AbortSignal): Promise<AuditCounts> {
  const counts = { items: 0, jobs: 0, unknown: 0, uncompared: 0, findings: 0 };
  const report = (findings: readonly Finding[]): void => {
    counts.findings += findings.length;
    for (const finding of findings) ask.onFinding(finding);
    ask.onProgress({ ...counts });
  };
  const walkPart = async (index: number): Promise<void> => {
    const part = { index, of: ask.parts };
    for await (const items of pages((range) => doors.store.scan({ ...range, part }), signal)) {
      counts.items += items.length;
      counts.jobs += items.filter(isJob).length;
      counts.unknown += items.filter((item) => !ITEM_RULES.some(({ about }) => about(item))).length;
      const looks = {
        first: (item: Item) => examine(doors, item),
        again: (key: Key) => examineKey(doors, key),
      };
      report(await confirmed(doors.clock, items, looks, signal));
      for (const item of items) {
        const found = await examineBook(doors, item, signal);
        if (found === undefined) {
          counts.uncompared += 1;
          ask.onUncompared({ pk: item.pk, sk: item.sk });
        } else if (found.length > 0) report(found);
      }
    }
  };
  await Promise.all(Array.from({ length: ask.parts }, (_, index) => walkPart(index)));
  for (const { index, pk } of openPartitions()) {
    const look = (entry: Entry): Promise<Breach[]> => examineEntry(doors, { index, pk }, entry);
    for await (const entries of pages((range) => doors.store.nominate(index, pk, range), signal))
      report(await confirmed(doors.clock, entries, { first: look, again: look }, signal));
  }
  return counts;
}

/** What is broken in the rows of a page, and is broken still after a pause. */
async function confirmed<Row extends Key>(
  clock: Clock,
  rows: readonly Row[],
  looks: { first: (row: Row) => Promise<Breach[]>; again: (row: Row) => Promise<Breach[]> },
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  const suspects: { row: Row; kinds: ReadonlySet<string> }[] = [];
  for (const row of rows) {
    const breaches = await looks.first(row);
    if (breaches.length > 0) suspects.push({ row, kinds: new Set(breaches.map(([kind]) => kind)) });
  }
  if (suspects.length === 0) return [];
  await clock.sleep(SETTLE_MS, signal);
  const findings: Finding[] = [];
  for (const { row, kinds } of suspects) {
    const { pk, sk } = row;
    for (const [kind, what] of await looks.again(row))
      if (kinds.has(kind)) findings.push({ kind, key: { pk, sk }, what });
  }
  return findings;
}

async function examine({ store, clock, blobs }: AuditDoors, item: Item): Promise<Breach[]> {
  const now = clock.now();
  const breaches = dueBreaches(item, now);
  for (const rule of ITEM_RULES)
    if (rule.about(item)) breaches.push(...(await rule.breaches(store, item, now)));
  const job = blobs !== undefined && isJob(item) ? jobOf(item) : undefined;
  if (blobs !== undefined && job !== undefined) breaches.push(...(await blobBreaches(blobs, job, now)));
  return breaches;
}

async function examineKey(doors: AuditDoors, { pk, sk }: Key): Promise<Breach[]> {
  const item = await doors.store.get({ pk, sk });
  return item === undefined ? [] : examine(doors, item);
}

/** One account or month at a time: no more is summed up at once, but for one by each reader. */
async function examineBook(
  { store, clock, prices = PRICE_BOOK }: AuditDoors,
  item: Item,
  signal: AbortSignal | undefined,
): Promise<Finding[] | undefined> {
  const doors = { store, clock, prices, settleMs: SETTLE_MS };
  const { pk, sk } = item;
  const found = isMonth(item)
    ? await monthBookBreaches(doors, item, signal)
    : isAccount(item)
      ? await accountBookBreaches(doors, item, signal)
      : [];
  return found?.map(([kind, what]) => ({ kind, key: { pk, sk }, what }));
}

function isJob({ pk, sk }: Key): boolean {
  return pk.startsWith("JOB#") && sk === "JOB";
}

/** The partitions of the indexes that work hangs on: as long as what is open. Retention's are as long as the table. */
function* openPartitions(): Generator<{ index: IndexName; pk: string }> {
  for (let shard = 0; shard < INDEX_SHARDS; shard++) {
    for (const dueClass of DUE_CLASSES)
      if (dueClass !== "retention") yield { index: "due", pk: duePartition(dueClass, shard) };
    yield { index: "ready", pk: readyPartition(shard) };
  }
}

/** An entry is one that its item says it has, as long as the index still names it. */
async function examineEntry(
  { store }: AuditDoors,
  { index, pk }: { index: IndexName; pk: string },
  entry: Entry,
): Promise<Breach[]> {
  const item = await store.get({ pk: entry.pk, sk: entry.sk });
  const own = item?.indexes[index];
  if (own?.pk === pk && own.sk === entry.at) return [];
  const { rows } = await store.nominate(index, pk, { limit: PAGE_ROWS_MAX, prefix: entry.at });
  if (!rows.some(({ pk, sk, at }) => pk === entry.pk && sk === entry.sk && at === entry.at)) return [];
  return [
    ["entry_stale", `the index ${index} holds ${pk}/${entry.at}, and the item has ${own?.sk ?? "none"}`],
  ];
}
