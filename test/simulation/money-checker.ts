/**
 * What must hold of the money rows, read off the raw items and computed anew: nothing of the code under test is used.
 * Invariants 3, 11, 13 and 16 of the protocol. The items are one snapshot: nothing is written while they are read.
 */
import type { Item } from "#shared/ports.ts";

export interface MoneyWorld {
  /** The price of the n-th unit (from 1) of a month, in micro-units. */
  readonly priceOf: (version: string, rateClass: string, n: number) => number;
  /** Caps were lowered: what is left of them may be below zero. */
  readonly capsFell?: boolean;
  /** Identifiers of the customer events that somebody has taken, each as often as it was taken. */
  readonly taken?: readonly string[];
}

interface TermsRow {
  readonly acceptedAt: number;
  readonly month: string;
  readonly rateClass: string;
  readonly priceVersion: string;
  readonly funding: string;
  readonly key?: string;
  readonly batch?: string;
  readonly units: number;
  readonly bound: number;
}
interface JobRow {
  readonly id: string;
  readonly org: string;
  readonly status: string;
  readonly terms?: TermsRow;
}
interface EndRow extends TermsRow {
  readonly org: string;
  readonly row: string;
  readonly outcome: string;
  readonly lines: number;
}
interface ChargeRow extends EndRow {
  readonly kind: "charge";
  readonly amount: number;
}
interface GrantRow {
  readonly kind: "grant";
  readonly org: string;
  readonly id: string;
  readonly amount: number;
}
interface BatchRow {
  readonly id: string;
  readonly org: string;
  readonly terms: TermsRow;
  readonly lines: number;
  readonly cursor: number;
  readonly remainder: number;
  readonly status: string;
}

/** The rows, sorted by what they are. */
interface Books {
  readonly jobs: readonly JobRow[];
  readonly unrated: readonly EndRow[];
  readonly charges: readonly ChargeRow[];
  readonly grants: readonly GrantRow[];
  readonly batches: readonly { readonly body: BatchRow; readonly counters: Item["counters"] }[];
  readonly months: readonly Item[];
  readonly accounts: readonly Item[];
  readonly owed: readonly { readonly kind: string; readonly id: string; readonly state?: string }[];
  readonly windows: readonly { readonly window: string; readonly state: string }[];
}

/** A sum that something holds of caps and balance: an open job, an ended one, a rated one, the rest of a batch. */
interface Held {
  readonly org: string;
  readonly terms: TermsRow;
  readonly micros: number;
  /** Of the month's open jobs. */
  readonly lines: number;
}

const OPEN = new Set(["awaiting_upload", "queued", "processing"]);

/** Every breach, as a sentence; none in a sound store. */
export function moneyBreaches(items: readonly Item[], world: MoneyWorld): string[] {
  const books = booksOf(items);
  const held = heldOf(books);
  return [
    ...rowBreaches(books),
    ...books.months.flatMap((month) => monthBreaches(month, books, held, world)),
    ...books.accounts.flatMap((account) => accountBreaches(account, books, held)),
    ...books.batches.flatMap((batch) => batchBreaches(batch, books)),
    ...onceBreaches(books, world),
  ];
}

/** What must hold besides when everything has come to rest. @param billed by window, what the provider bills. */
export function restBreaches(items: readonly Item[], billed: ReadonlyMap<string, number>): string[] {
  const books = booksOf(items);
  const out = books.unrated.map((row) => `${row.row} is not rated`);
  for (const month of books.months)
    if (month.counters["open"] !== 0) out.push(`${month.sk}: open is ${month.counters["open"]}`);
  for (const { kind, id, state } of books.owed) out.push(`${kind} ${id} is still owed (${state ?? ""})`);
  for (const { window, state } of books.windows)
    if (state !== "settled") out.push(`the window ${window} is ${state}`);
  const metered = new Map<string, number>();
  for (const charge of books.charges) {
    const window = windowOf(charge);
    if (window !== undefined) metered.set(window, (metered.get(window) ?? 0) + charge.units);
  }
  for (const window of new Set([...metered.keys(), ...billed.keys()])) {
    const [ours, theirs] = [metered.get(window) ?? 0, billed.get(window) ?? 0];
    if (ours !== theirs) out.push(`the window ${window} is billed ${theirs} units instead of ${ours}`);
  }
  return out;
}

function booksOf(items: readonly Item[]): Books {
  const bodies = <T>(is: (item: Item) => boolean): T[] => items.filter(is).map(({ body }) => body as T);
  const ledger = bodies<ChargeRow | GrantRow>(({ sk }) => sk.startsWith("LEDGER#"));
  return {
    jobs: bodies(({ pk, sk }) => pk.startsWith("JOB#") && sk === "JOB"),
    unrated: bodies(({ pk }) => pk.startsWith("UNRATED#")),
    charges: ledger.filter((row) => row.kind === "charge"),
    grants: ledger.filter((row) => row.kind === "grant"),
    batches: items
      .filter(({ pk }) => pk.startsWith("BATCH#"))
      .map(({ body, counters }) => ({ body: body as BatchRow, counters })),
    months: items.filter(({ sk }) => sk.startsWith("MONTH#")),
    accounts: items.filter(({ sk }) => sk === "ACCOUNT"),
    owed: bodies(({ pk }) => pk.startsWith("OUTBOX#")),
    windows: bodies(({ pk }) => pk.startsWith("WINDOW#")),
  };
}

function heldOf({ jobs, unrated, charges, batches }: Books): Held[] {
  return [
    ...jobs.flatMap(({ org, status, terms }) =>
      terms !== undefined && OPEN.has(status) ? [{ org, terms, micros: terms.bound, lines: 1 }] : [],
    ),
    ...unrated.map((row) => ({ org: row.org, terms: row, micros: row.bound, lines: row.lines })),
    ...charges.map((row) => ({ org: row.org, terms: row, micros: row.amount, lines: 0 })),
    ...batches.map(({ body: { org, terms, remainder, lines, cursor, status } }) => ({
      org,
      terms,
      micros: remainder,
      lines: status === "filling" ? lines - cursor : 0,
    })),
  ];
}

/** 3 and 13: one row for each ended job, none before, and units exactly where it succeeded. */
function rowBreaches({ jobs, unrated, charges }: Books): string[] {
  const out: string[] = [];
  const rows = Map.groupBy<string, EndRow>([...unrated, ...charges], ({ row }) => row);
  for (const [row, all] of rows) {
    if (all.length !== 1) out.push(`${row} has ${all.length} rows`);
    for (const { units, outcome } of all)
      if (units > 0 !== (outcome === "succeeded")) out.push(`${row} ${outcome} with ${units} units`);
  }
  for (const { row, units, bound, amount } of charges)
    if (amount > bound || amount < 0) out.push(`${row} is charged ${amount} for ${units} units on ${bound}`);
  for (const { id, status, terms } of jobs) {
    if (terms === undefined) continue;
    const [row] = rows.get(id) ?? [];
    if (OPEN.has(status) !== (row === undefined)) out.push(`${id} is ${status}, its row ${row?.outcome}`);
    if (row === undefined) continue;
    const fits = row.outcome === status || (status === "expired" && row.outcome === "succeeded");
    if (!fits) out.push(`${id} is ${status}, its row says ${row.outcome}`);
    if (row.units > terms.units) out.push(`${id} has ${row.units} units, agreed were ${terms.units}`);
    for (const field of ["month", "rateClass", "priceVersion", "funding", "key", "batch", "bound"] as const)
      if (row[field] !== terms[field]) out.push(`${id}: the ${field} of its row is another`);
  }
  return out;
}

/** 11: each cap is what is left and what is held; the counters are the sums they stand for. */
function monthBreaches(item: Item, books: Books, allHeld: readonly Held[], world: MoneyWorld): string[] {
  const org = item.pk.slice("ORG#".length);
  const month = item.sk.slice("MONTH#".length);
  const out: string[] = [];
  const isMine = (at: { org: string }, terms: TermsRow): boolean => at.org === org && terms.month === month;
  const held = allHeld.filter((each) => isMine(each, each.terms));
  const charges = books.charges.filter((each) => isMine(each, each));
  const expect = (name: string, value: number): void => {
    if (item.counters[name] !== value)
      out.push(`${org} ${month}: ${name} is ${item.counters[name]} instead of ${value}`);
  };
  for (const [name, cap] of Object.entries(item.counters)) {
    const key = name === "cap" ? undefined : /^cap:(.+)$/.exec(name)?.[1];
    if (name !== "cap" && key === undefined) continue;
    const its = key === undefined ? held : held.filter(({ terms }) => terms.key === key);
    const left = key === undefined ? "left" : `left:${key}`;
    expect(left, cap - sum(its.map(({ micros }) => micros)));
    if (world.capsFell !== true && (item.counters[left] ?? 0) < 0) out.push(`${org} ${month}: ${left} < 0`);
  }
  expect("open", sum(held.map(({ lines }) => lines)));
  expect("spent", sum(charges.map(({ amount }) => amount)));
  const { priceVersion } = item.body as { priceVersion: string };
  for (const [rate, rated] of Map.groupBy(charges, (row) => `${row.rateClass}:${row.funding}`)) {
    const units = sum(rated.map((row) => row.units));
    expect(`units:${rate}`, units);
    const { rateClass = "" } = rated[0] ?? {};
    let total = 0;
    for (let n = 1; n <= units; n++) total += world.priceOf(priceVersion, rateClass, n);
    const amount = sum(rated.map((row) => row.amount));
    if (amount !== total) out.push(`${org} ${month}: ${rate} is charged ${amount} instead of ${total}`);
    if (rated.some((row) => row.priceVersion !== priceVersion))
      out.push(`${org} ${month}: a charge by other prices`);
  }
  const windows = Map.groupBy(held, ({ terms }) => windowOf(terms));
  for (const [window, its] of windows) {
    if (window === undefined) continue;
    expect(`open:${window}`, sum(its.map(({ lines }) => lines)));
    const metered = charges.filter((charge) => windowOf(charge) === window);
    expect(`metered:${window}`, sum(metered.map(({ units }) => units)));
  }
  for (const { terms } of held)
    if (new Date(terms.acceptedAt).toISOString().slice(0, 7) !== month)
      out.push(`${org} ${month}: accepted in another month`);
  return out;
}

/** 11, the balance: what was granted is there, or held. */
function accountBreaches(item: Item, { grants }: Books, allHeld: readonly Held[]): string[] {
  const org = item.pk.slice("ORG#".length);
  const out: string[] = [];
  const { granted = 0, available = 0 } = item.counters;
  const mine = grants.filter((grant) => grant.org === org);
  const credited = sum(mine.map(({ amount }) => amount));
  if (granted !== credited) out.push(`${org}: ${granted} granted, the ledger says ${credited}`);
  const held = allHeld.filter(({ terms, ...at }) => at.org === org && terms.funding === "prepaid");
  const taken = sum(held.map(({ micros }) => micros));
  if (granted !== available + taken)
    out.push(`${org}: ${granted} granted, ${available} + ${taken} accounted for`);
  if (available < 0 && mine.every(({ amount }) => amount >= 0)) out.push(`${org}: ${available} available`);
  return out;
}

function batchBreaches({ body, counters }: Books["batches"][number], books: Books): string[] {
  const { id, lines, cursor, remainder, terms, status } = body;
  const out: string[] = [];
  const rated = books.charges.filter(({ batch }) => batch === id);
  const count = sum(rated.map((row) => row.lines));
  if (counters["pending"] !== lines - count)
    out.push(`${id}: ${counters["pending"]} pending of ${lines}, ${count} rated`);
  for (const [outcome, its] of Map.groupBy(rated, (row) => row.outcome))
    if (counters[outcome] !== sum(its.map((row) => row.lines)))
      out.push(`${id}: its count of ${outcome} is wrong`);
  const held = status === "filling" || status === "filled" ? (lines - cursor) * terms.bound : 0;
  if (remainder !== held) out.push(`${id}: ${remainder} remain of ${held}`);
  return out;
}

/** 16: a payment is credited once; of a job or batch one event is told. */
function onceBreaches({ grants, owed, batches, jobs }: Books, { taken }: MoneyWorld): string[] {
  const out: string[] = [];
  for (const [id, all] of Map.groupBy(grants, (grant) => `${grant.org} ${grant.id}`))
    if (all.length > 1) out.push(`${id} is credited ${all.length} times`);
  if (taken === undefined) return out;
  const events = [...new Set([...taken, ...owed.filter(({ kind }) => kind === "event").map(({ id }) => id)])];
  const ended = jobs
    .filter(({ status, terms }) => terms !== undefined && !OPEN.has(status))
    .map(({ id }) => id);
  const done = batches.filter(({ counters }) => counters["pending"] === 0).map(({ body }) => body.id);
  const subjects = Map.groupBy(events, (id) => id.split("_").slice(1, 3).join("_"));
  for (const subject of [...ended, ...done]) {
    const told = subjects.get(subject)?.length ?? 0;
    if (told !== 1) out.push(`${subject} has ${told} events`);
  }
  return out;
}

/** The day, class and subscription that metered units are compared by. */
function windowOf({ acceptedAt, rateClass, funding }: TermsRow): string | undefined {
  if (!funding.startsWith("sub_")) return undefined;
  return `${new Date(acceptedAt).toISOString().slice(0, 10)}:${rateClass}:${funding}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
