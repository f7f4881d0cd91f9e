/**
 * Everything that holds a part of an account's caps and balance: what was charged, what waits for the rater, jobs that
 * live, lines that a batch has not handed on. Read page by page; of what is read only the ids of living jobs are kept.
 */
import { BatchRow, LedgerRow, TermsRow, UnratedRow, type ChargeRow } from "./money-rows.ts";
import { pages } from "./pages.ts";
import { duePartition, isTerminal, jobKey, type JobStatus } from "#shared/domain/job.ts";
import { INDEX_SHARDS } from "#shared/domain/limits.ts";
import type { Key, Store } from "#shared/ports.ts";

export interface Holding {
  readonly terms: TermsRow;
  /** Taken from the caps, and from the balance where it is prepaid. */
  readonly micros: number;
  /** Of the month's open jobs. */
  readonly lines: number;
  /** Only of what was rated. */
  readonly charge?: ChargeRow;
}

/** An account, or one month of it. */
export interface Whose {
  readonly org: string;
  readonly month?: string;
}

export type MoneyReader = Pick<Store, "get" | "list" | "nominate">;

/** Living jobs of one account that are remembered. */
const LIVING_MAX = 100_000;
const BATCHES_MAX = 1_000;
const CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz";
/** How far an id may be older than the instant its job was accepted at. */
const ID_SLACK_MS = 24 * 3_600_000;

/** More than an audit holds in memory: whoever asked is not compared. */
export class TooMany extends Error {}

/** What was charged. @param onGrant is told of the ledger's other rows. */
export async function* charged(
  store: MoneyReader,
  { org, month }: Whose,
  onGrant: (grant: { readonly id: string; readonly amount: number }) => void = () => undefined,
): AsyncGenerator<Holding> {
  const prefix = month === undefined ? "LEDGER#" : `LEDGER#${month}#`;
  for await (const items of pages((range) => store.list(`ORG#${org}`, { ...range, prefix })))
    for (const { body } of items) {
      const row = LedgerRow.safeParse(body).data;
      if (row?.kind === "grant") onGrant(row);
      if (row?.kind === "charge") yield { terms: row, micros: row.amount, lines: 0, charge: row };
    }
}

/**
 * What is not rated yet. Living jobs are read first: one that ends meanwhile is met again as a row, and counts once.
 * @param since the first month that has open jobs; undefined where none has. @throws TooMany
 */
export async function* unrated(
  store: MoneyReader,
  { org, month }: Whose,
  since: string | undefined,
): AsyncGenerator<Holding> {
  const living = new Set<string>();
  if (since !== undefined)
    for await (const { id, terms } of livingJobs(store, org, since)) {
      if (month !== undefined && terms.month !== month) continue;
      if (living.add(id).size > LIVING_MAX) throw new TooMany();
      yield { terms, micros: terms.bound, lines: 1 };
    }
  const prefix = month === undefined ? {} : { prefix: `${month}#` };
  for await (const items of pages((range) => store.list(`UNRATED#${org}`, { ...range, ...prefix })))
    for (const { body } of items) {
      const row = UnratedRow.safeParse(body).data;
      if (row !== undefined && !living.has(row.row))
        yield { terms: row, micros: row.bound, lines: row.lines };
    }
}

/** Jobs that have not ended, the newest first, down to those of the month `since`. */
async function* livingJobs(
  store: MoneyReader,
  org: string,
  since: string,
): AsyncGenerator<{ readonly id: string; readonly terms: TermsRow }> {
  const from = Date.parse(`${since}-01T00:00:00.000Z`) - ID_SLACK_MS;
  const jobs = pages((range) => store.nominate("org", `ORG#${org}`, { ...range, newestFirst: true }));
  for await (const rows of jobs) {
    for (const item of await Promise.all(rows.map(({ pk, sk }) => store.get({ pk, sk })))) {
      const { status, terms: its } = (item?.body ?? {}) as { status?: JobStatus; terms?: unknown };
      const terms = TermsRow.safeParse(its).data;
      if (item === undefined || status === undefined || terms === undefined || isTerminal(status)) continue;
      yield { id: item.pk.slice(jobKey("").pk.length), terms };
    }
    if ((instantIn(rows.at(-1)?.at ?? "") ?? from) < from) return;
  }
}

/** The keys of batches that are at work, of all accounts: few, and always due. @throws TooMany */
export async function openBatches(store: MoneyReader): Promise<Key[]> {
  const keys: Key[] = [];
  for (let shard = 0; shard < INDEX_SHARDS; shard++)
    for await (const rows of pages((range) => store.nominate("due", duePartition("money", shard), range))) {
      keys.push(...rows.filter(({ pk }) => pk.startsWith("BATCH#")).map(({ pk, sk }) => ({ pk, sk })));
      if (keys.length > BATCHES_MAX) throw new TooMany();
    }
  return keys;
}

/** What a batch still holds; undefined where it is another's, or holds nothing. */
export function heldByBatch(body: unknown, { org, month }: Whose): Holding | undefined {
  const batch = BatchRow.safeParse(body).data;
  if (batch === undefined || batch.org !== org || batch.status !== "filling") return undefined;
  const { terms, remainder, lines, cursor } = batch;
  if (month !== undefined && terms.month !== month) return undefined;
  return { terms, micros: remainder, lines: lines - cursor };
}

/** The instant that an id begins with: ten digits of milliseconds in Crockford's base 32. */
function instantIn(id: string): number | undefined {
  const digits = /^[a-z]+_([0-9a-hjkmnp-tv-z]{10})[0-9a-hjkmnp-tv-z]{16}$/.exec(id)?.[1];
  if (digits === undefined) return undefined;
  let ms = 0;
  for (let i = 0; i < digits.length; i++) ms = ms * 32 + CROCKFORD.indexOf(digits.charAt(i));
  return ms;
}
