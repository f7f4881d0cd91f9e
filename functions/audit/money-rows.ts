/**
 * The money rows as an audit reads them: schemas of its own, written against the protocol, so that what billing's code
 * would write wrongly is not read wrongly alike. Loose: a newer version may have written more.
 */
import { z } from "zod";

const count = z.int().min(0);
const name = z.string().min(1).max(200);
const month = z.string().regex(/^\d{4}-(?:0[1-9]|1[0-2])$/);
const moment = z.number().min(0).max(8.64e15);

/** What a job was accepted on. */
export const TermsRow = z.looseObject({
  acceptedAt: moment,
  month,
  rateClass: name,
  priceVersion: name,
  funding: name,
  key: name.optional(),
  batch: name.optional(),
  units: count,
  bound: count,
});
export type TermsRow = z.infer<typeof TermsRow>;

const EndRow = TermsRow.extend({
  org: name,
  row: name,
  outcome: z.enum(["succeeded", "failed", "canceled", "expired", "invalid"]),
  lines: z.int().min(1),
});
export type EndRow = z.infer<typeof EndRow>;

export const UnratedRow = EndRow.extend({ dueAt: moment });

export const ChargeRow = EndRow.extend({ kind: z.literal("charge"), amount: z.int() });
export type ChargeRow = z.infer<typeof ChargeRow>;

const GrantRow = z.looseObject({ kind: z.literal("grant"), org: name, id: name, month, amount: z.int() });

export const LedgerRow = z.discriminatedUnion("kind", [ChargeRow, GrantRow]);

export const BatchRow = z.looseObject({
  id: name,
  org: name,
  terms: TermsRow,
  lines: z.int().min(1),
  cursor: count,
  remainder: count,
  status: z.enum(["filling", "filled", "canceling", "canceled"]),
  dueAt: moment,
});
export type BatchRow = z.infer<typeof BatchRow>;

export const OutboxRow = z.looseObject({
  month: month.optional(),
  kind: z.enum(["meter", "event"]),
  org: name,
  id: name,
  dueAt: moment,
  state: z.enum(["pending", "recon"]).optional(),
  subject: name.optional(),
  type: name.optional(),
  units: count.optional(),
});

export type OutboxRow = z.infer<typeof OutboxRow>;

export const WindowRow = z.looseObject({ org: name, month, window: name, state: name, dueAt: moment });

export const MonthRow = z.looseObject({ org: name, month, priceVersion: name });
export type MonthRow = z.infer<typeof MonthRow>;

export const AccountRow = z.looseObject({ cap: z.int(), keyCaps: z.record(z.string(), z.int()) });

/** The day, class and subscription that metered units are compared by; undefined where nothing is metered. */
export function windowOf({ acceptedAt, rateClass, funding }: TermsRow): string | undefined {
  if (!funding.startsWith("sub_")) return undefined;
  return `${new Date(acceptedAt).toISOString().slice(0, 10)}:${rateClass}:${funding}`;
}

/** The calendar month (UTC) of an instant. */
export function monthAt(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}

export function unratedKey(org: string, inMonth: string, row: string): { pk: string; sk: string } {
  return { pk: `UNRATED#${org}`, sk: `${inMonth}#${row}` };
}

export function ledgerKey(org: string, inMonth: string, row: string): { pk: string; sk: string } {
  return { pk: `ORG#${org}`, sk: `LEDGER#${inMonth}#${row}` };
}

export function monthKey(org: string, inMonth: string): { pk: string; sk: string } {
  return { pk: `ORG#${org}`, sk: `MONTH#${inMonth}` };
}
