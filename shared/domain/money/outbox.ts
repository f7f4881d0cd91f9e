/**
 * What is still owed to others: units to the subscription's meter, events to the customer's webhooks. Written in the
 * transaction that owes it, deleted when it has arrived; each row has its own timer, so one that fails holds up no
 * other. Identifiers are derived, never drawn: sent twice is received once.
 *
 *   meter:  pending ─sent or known─► deleted
 *              └─20 h old, refused, or its invoice closes─► recon ─its window is compared─► deleted
 *   event:  pending ─taken─► deleted        └─three days old─► deleted
 */
import {
  patientBackoffMs,
  BLIND_AFTER_MS,
  EVENT_TTL_MS,
  INVOICE_GRACE_MS,
  INVOICE_MARGIN_MS,
} from "../limits.ts";
import { monthEnd, windowOf } from "./month.ts";
import { moneyDue, type Row } from "./row.ts";
import { isMetered, type Terms } from "./terms.ts";

export interface MeterEvent {
  readonly kind: "meter";
  readonly org: string;
  /** The job's id, and the identifier it is sent under. */
  readonly id: string;
  readonly window: string;
  readonly month: string;
  readonly rateClass: Terms["rateClass"];
  readonly funding: `sub_${string}`;
  readonly units: number;
  /** The instant of the accept: it decides the month of the invoice. */
  readonly timestamp: number;
  readonly state: "pending" | "recon";
  readonly owedAt: number;
  readonly dueAt: number;
  readonly tries: number;
}

export interface CustomerEvent {
  readonly kind: "event";
  readonly org: string;
  /** Stable over repeats: receivers know an event by it. */
  readonly id: string;
  readonly type: string;
  /** The job or batch it speaks of. */
  readonly subject: string;
  readonly owedAt: number;
  readonly dueAt: number;
  readonly tries: number;
}

export type Owed = MeterEvent | CustomerEvent;

export function meterEvent(
  job: { readonly org: string; readonly id: string; readonly terms: Terms },
  units: number,
  now: number,
): MeterEvent | undefined {
  const { org, id, terms } = job;
  const window = windowOf(terms);
  if (window === undefined || !isMetered(terms.funding) || units === 0) return undefined;
  return {
    kind: "meter",
    org,
    id,
    window,
    month: terms.month,
    rateClass: terms.rateClass,
    funding: terms.funding,
    units,
    timestamp: terms.acceptedAt,
    state: "pending",
    owedAt: now,
    dueAt: now,
    tries: 0,
  };
}

/** One event per subject and type, whoever announces it. */
export function customerEvent(
  org: string,
  { type, subject }: Pick<CustomerEvent, "type" | "subject">,
  now: number,
): CustomerEvent {
  return {
    kind: "event",
    org,
    id: `evt_${subject}_${type}`,
    type,
    subject,
    owedAt: now,
    dueAt: now,
    tries: 0,
  };
}

export function outboxPartition(kind: Owed["kind"], org: string): string {
  return `OUTBOX#${kind}#${org}`;
}

/** Meter events of one window lie together, so that its comparison finds what is still owed to it. */
export function outboxItem(owed: Owed): Row {
  const sk = owed.kind === "meter" ? `${meterPrefix(owed.window)}${owed.id}` : owed.id;
  const isWaiting = owed.kind === "event" || owed.state === "pending";
  return {
    pk: outboxPartition(owed.kind, owed.org),
    sk,
    body: owed,
    ...(isWaiting ? { indexes: moneyDue(owed.id, owed.dueAt) } : {}),
  };
}

export function meterPrefix(window: string): string {
  return `${window}#`;
}

/** When the invoice of a month takes no more events, with a margin for those on their way. */
export function meterClosesAt(month: string): number {
  return monthEnd(month) + INVOICE_GRACE_MS - INVOICE_MARGIN_MS;
}

/**
 * Whether a meter event may still be sent. Later than 20 hours after it was owed, an earlier sending may have been
 * counted and forgotten; close to its invoice's end it might arrive after it: the comparison of its window settles it.
 */
export function isBlind(event: Pick<MeterEvent, "owedAt" | "month">, now: number): boolean {
  return now - event.owedAt >= BLIND_AFTER_MS || now >= meterClosesAt(event.month);
}

export function toRecon(event: MeterEvent): MeterEvent {
  return { ...event, state: "recon" };
}

/** Not taken this time: again later and later. */
export function putOffOwed<T extends Owed>(owed: T, now: number): T {
  const tries = owed.tries + 1;
  return { ...owed, tries, dueAt: now + patientBackoffMs(tries) };
}

export function isGivenUp(event: CustomerEvent, now: number): boolean {
  return now - event.owedAt >= EVENT_TTL_MS;
}
