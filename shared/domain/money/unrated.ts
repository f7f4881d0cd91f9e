/**
 * What a job's end leaves for the rater: its units and the bound to be given back. A row of its own per job, so that
 * the ends of a busy account never meet; put only if it is not there, deleted by the rater with the ledger's row put.
 */
import { backoffMs, RATE_AFTER_MS } from "../limits.ts";
import { moneyDue, type Key, type Row } from "./row.ts";
import type { Terms } from "./terms.ts";

export type Outcome = "succeeded" | "failed" | "canceled" | "expired" | "invalid";

export interface Unrated extends Terms {
  readonly org: string;
  /** The job; of a batch also a line that was none, or all the lines that a cancel left. */
  readonly row: string;
  readonly outcome: Outcome;
  /** How many of the month's open jobs it stands for. */
  readonly lines: number;
  readonly endedAt: number;
  readonly dueAt: number;
  /** Tries of the rater that failed on this very row; it backs off alone. */
  readonly faults?: number;
}

/** `units` 0 unless it succeeded; `bound` that of all its lines. */
export function unrated(
  terms: Terms,
  of: Pick<Unrated, "org" | "row" | "outcome" | "lines" | "units" | "bound">,
  now: number,
): Unrated {
  return { ...terms, ...of, endedAt: now, dueAt: now + RATE_AFTER_MS };
}

/** Rows of one month lie together: the rater reads no others. */
export function unratedKey({ org, month, row }: Pick<Unrated, "org" | "month" | "row">): Key {
  return { pk: unratedPartition(org), sk: `${unratedPrefix(month)}${row}` };
}

export function unratedPartition(org: string): string {
  return `UNRATED#${org}`;
}

export function unratedPrefix(month: string): string {
  return `${month}#`;
}

export function unratedItem(row: Unrated): Row {
  return { ...unratedKey(row), body: row, indexes: moneyDue(row.row, row.dueAt) };
}

/** The row after one more failure of its own: later and later. */
export function putOffUnrated(row: Unrated, now: number): Unrated {
  const faults = (row.faults ?? 0) + 1;
  return { ...row, faults, dueAt: now + RATE_AFTER_MS + backoffMs(faults) };
}

/** Whether the rater may take it now. */
export function isRatable(row: Unrated, now: number): boolean {
  return row.faults === undefined || row.dueAt <= now;
}
