/** The ledger: append-only, one row per ended job and one per payment. Its sums are what the counters must agree with. */
import type { Key, Row } from "./row.ts";
import type { Unrated } from "./unrated.ts";

/** What a job was charged, by the terms it was accepted on. */
export interface Charge extends Omit<Unrated, "dueAt" | "faults"> {
  readonly kind: "charge";
  /** In micro-units, at most the bound. */
  readonly amount: number;
}

/** Money in advance: a payment, refund or credit; negative for a dispute. */
export interface Grant {
  readonly kind: "grant";
  readonly org: string;
  /** Of the payment: however often and under however many events it is announced, it is one row. */
  readonly id: string;
  /** That of the payment's own creation, not of its announcement, which may come in another month. */
  readonly month: string;
  readonly amount: number;
  readonly reason: "payment" | "refund" | "credit" | "dispute";
}

function ledgerKey(org: string, month: string, row: string): Key {
  return { pk: `ORG#${org}`, sk: `LEDGER#${month}#${row}` };
}

export function chargeItem(unrated: Unrated, amount: number): Row {
  const { dueAt: _, faults: __, ...row } = unrated;
  const charge: Charge = { kind: "charge", ...row, amount };
  return { ...ledgerKey(row.org, row.month, row.row), body: charge };
}

export function grantItem(grant: Grant): Row {
  return { ...ledgerKey(grant.org, grant.month, grant.id), body: grant };
}
