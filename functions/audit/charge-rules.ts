/**
 * Invariants 3 and 13, item by item: every ended billable job has exactly one row, for the rater or in the ledger, by the
 * terms it was accepted on, and with units exactly where it succeeded. Written against the protocol, not against billing.
 */
import type { Breach } from "./finding.ts";
import {
  ChargeRow,
  LedgerRow,
  ledgerKey,
  monthAt,
  monthKey,
  TermsRow,
  UnratedRow,
  unratedKey,
  windowOf,
  type EndRow,
} from "./money-rows.ts";
import { timerBreaches } from "./timer-rules.ts";
import { isTerminal, jobKey, type Job } from "#shared/domain/job.ts";
import type { Item, Store } from "#shared/ports.ts";

type Reader = Pick<Store, "get">;

const SAME_FIELDS = [
  "acceptedAt",
  "month",
  "rateClass",
  "priceVersion",
  "funding",
  "key",
  "batch",
  "bound",
] as const;

/** A job's side: what it must have left, or must not have left yet. A job without terms owes nothing. */
export async function billedJobBreaches(store: Reader, job: Job): Promise<Breach[]> {
  if (job.terms === undefined) return [];
  const terms = TermsRow.safeParse(job.terms).data;
  if (terms === undefined || terms.month !== monthAt(terms.acceptedAt))
    return [["item_damaged", "its terms do not follow their schema"]];
  const row = await rowOf(store, job, terms);
  if (!isTerminal(job.status)) {
    if (row !== undefined) return [["row_early", `it is ${job.status} and has the row of a job that ended`]];
    return monthBreaches(store, job.org, terms, 1);
  }
  if (row === undefined)
    return [["row_missing", `it is ${job.status} and has a row neither for the rater nor in the ledger`]];
  const different = SAME_FIELDS.filter((field) => row[field] !== terms[field]);
  if (different.length > 0)
    return [["row_differs", `its row has another ${different.join(", ")} than it was accepted on`]];
  // Retention ends a success later on, and owes nothing for it.
  const fits = row.outcome === job.status || (job.status === "expired" && row.outcome === "succeeded");
  if (!fits) return [["row_differs", `it is ${job.status} and its row says ${row.outcome}`]];
  if (row.units > terms.units)
    return [["units_wrong", `its row has ${row.units} units, agreed were ${terms.units}`]];
  return [];
}

/** The ledger, where most rows are; what is not there yet waits for the rater, or has just been moved. */
async function rowOf(store: Reader, { id, org }: Job, { month }: TermsRow): Promise<EndRow | undefined> {
  const rated = ledgerKey(org, month, id);
  const item =
    (await store.get(rated)) ?? (await store.get(unratedKey(org, month, id))) ?? (await store.get(rated));
  // What cannot be read is found where that item is looked at.
  return UnratedRow.or(ChargeRow).safeParse(item?.body).data;
}

/** A row that waits for the rater. */
export async function unratedBreaches(store: Reader, item: Item): Promise<Breach[]> {
  const row = UnratedRow.safeParse(item.body).data;
  if (row === undefined) return [["item_damaged", "it does not follow the schema of an unrated row"]];
  const { org, month, row: id, outcome, batch, dueAt } = row;
  const key = unratedKey(org, month, id);
  if (item.pk !== key.pk || item.sk !== key.sk) return [["item_misfiled", `it holds the row of ${id}`]];
  const breaches = [
    ...unitBreaches(row),
    ...timerBreaches(item, { id, at: dueAt }),
    ...(await monthBreaches(store, org, row, row.lines)),
  ];
  const isRated = (await store.get(ledgerKey(org, month, id))) !== undefined;
  // The rater may have moved it between the two readings.
  if (isRated && (await store.get(key)) !== undefined)
    breaches.push(["row_doubled", `${id} waits for the rater and is in the ledger already`]);
  const isLine = outcome === "invalid" || id === `${batch}-rest`;
  const owner = isLine ? { pk: `BATCH#${batch}`, sk: "BATCH" } : jobKey(id);
  if ((await store.get(owner)) === undefined)
    breaches.push(["row_orphaned", `${owner.pk}, whose end it is, is not there`]);
  return breaches;
}

/** A row of the ledger: a charge or a grant. */
export async function ledgerBreaches(store: Reader, item: Item): Promise<Breach[]> {
  const row = LedgerRow.safeParse(item.body).data;
  if (row === undefined) return [["item_damaged", "it does not follow the schema of the ledger"]];
  const { org, month } = row;
  const id = row.kind === "charge" ? row.row : row.id;
  const key = ledgerKey(org, month, id);
  if (item.pk !== key.pk || item.sk !== key.sk) return [["item_misfiled", `it holds the row of ${id}`]];
  if (row.kind === "grant") return [];
  const { amount, bound, units } = row;
  const isBound = amount >= 0 && amount <= bound && (units > 0 || amount === 0);
  const isCounted = (await store.get(monthKey(org, month))) !== undefined;
  return [
    ...unitBreaches(row),
    ...(isCounted ? [] : [["month_missing", `there is no MONTH#${month} that counts it`] as const]),
    ...(isBound
      ? []
      : [["amount_wrong", `${amount} is charged for ${units} units, agreed was ${bound} at most`] as const]),
  ];
}

function unitBreaches({ units, outcome }: EndRow): Breach[] {
  if (units > 0 === (outcome === "succeeded")) return [];
  return [["units_wrong", `it ${outcome} with ${units} units`]];
}

/** What is open is counted in its month, in counters that are there. */
async function monthBreaches(store: Reader, org: string, terms: TermsRow, lines: number): Promise<Breach[]> {
  const key = monthKey(org, terms.month);
  const counters = (await store.get(key))?.counters;
  if (counters === undefined) return [["month_missing", `there is no ${key.sk}, in which it is open`]];
  const window = windowOf(terms);
  const needed = [
    `units:${terms.rateClass}:${terms.funding}`,
    ...(terms.key === undefined ? [] : [`cap:${terms.key}`, `left:${terms.key}`]),
    ...(window === undefined ? [] : [`open:${window}`, `metered:${window}`]),
  ];
  const lacking = needed.filter((name) => counters[name] === undefined);
  if (lacking.length > 0) return [["month_missing", `${key.sk} does not count ${lacking.join(", ")}`]];
  const open = counters["open"] ?? 0;
  if (open >= lines) return [];
  return [["month_unbalanced", `${key.sk} counts ${open} open jobs, and this row alone is ${lines}`]];
}
