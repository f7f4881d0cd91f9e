/**
 * A model of Stripe's meters and invoices, as its documentation tells them, on a clock and chance of the caller:
 *
 *   - an event's identifier is unique for 24 hours; within them a repeat is refused as "already exists", which is as
 *     good as taken; after them it is counted anew (the documentation promises "at least": this is the worst case)
 *   - events older than 35 days, or more than 5 minutes ahead, are refused; so is what is no positive whole number
 *   - an event is processed later: summaries lag, and some events are dropped then and only reported (`reports`)
 *   - a month's invoice closes 72 hours after the month: an event processed later is never invoiced
 *   - calls fail before they did anything, or after; an outage fails them all
 */
import type { MeterDoor, MeteredDay, MeterSending } from "#functions/billing/meter-door.ts";

export interface StripeRates {
  /** Of calls that fail and did nothing. */
  readonly failBefore: number;
  /** Of calls that were carried out and whose answer is lost. */
  readonly failAfter: number;
  /** Of events that are taken and dropped when processed. */
  readonly drop: number;
  /** An event is processed within this after it was taken. */
  readonly lagMsMax: number;
}

export interface StripeModel {
  readonly door: MeterDoor;
  /** Every call fails until then. */
  readonly fail: (untilMs: number) => void;
  /** Identifiers of events that were taken and dropped, as the webhook `error_report_triggered` tells them. */
  readonly reports: readonly string[];
  /** What the customer is billed for a day: units on its month's invoice, and late ones. Of invoices yet open: so far. */
  readonly billed: (day: MeteredDay) => number;
  /** The days with events or late items. */
  readonly days: () => readonly MeteredDay[];
}

interface Counted extends MeterSending {
  readonly takenAt: number;
  /** Infinity: dropped. */
  readonly processedAt: number;
}

const HOUR_MS = 3_600_000;
const UNIQUE_MS = 24 * HOUR_MS;
const AGE_MS_MAX = 35 * 24 * HOUR_MS;
const AHEAD_MS_MAX = 5 * 60_000;
const GRACE_MS = 72 * HOUR_MS;

export function createStripeModel(world: {
  readonly now: () => number;
  /** Evenly from 0 to 1. */
  readonly draw: () => number;
  readonly rates: StripeRates;
  /** Events that are never dropped. Absent: any may be. */
  readonly spares?: (identifier: string) => boolean;
  /** An event came that was known already. */
  readonly onKnown?: () => void;
}): StripeModel {
  const { now, draw, rates, spares = () => false, onKnown } = world;
  const events: Counted[] = [];
  /** When an identifier was last counted. */
  const known = new Map<string, number>();
  const late = new Map<string, MeterSending>();
  const reports: string[] = [];
  let outageUntil = 0;

  /** One call: it may fail on its way there or on its way back. */
  async function call<T>(carryOut: () => T): Promise<T> {
    if (now() < outageUntil) throw new Error("503: the provider is down");
    if (draw() < rates.failBefore) throw new Error("the connection was refused");
    const answer = carryOut();
    if (draw() < rates.failAfter) throw new Error("the answer was lost");
    return answer;
  }

  function take(event: MeterSending): "taken" | "refused" {
    const age = now() - event.timestamp;
    if (age > AGE_MS_MAX || -age > AHEAD_MS_MAX) return "refused";
    if (!Number.isSafeInteger(event.units) || event.units <= 0) return "refused";
    const before = known.get(event.identifier);
    // "An event already exists with identifier …"
    if (before !== undefined && now() - before < UNIQUE_MS) {
      onKnown?.();
      return "taken";
    }
    known.set(event.identifier, now());
    const isDropped = draw() < rates.drop && !spares(event.identifier);
    if (isDropped) reports.push(event.identifier);
    const processedAt = isDropped ? Infinity : now() + Math.floor(draw() * rates.lagMsMax);
    events.push({ ...event, takenAt: now(), processedAt });
    return "taken";
  }

  const of = (day: MeteredDay) => events.filter((event) => isOf(event, day));

  return {
    door: {
      send: (event) => call(() => take(event)),
      read: (day) => call(() => sum(of(day).filter(({ processedAt }) => processedAt <= now()))),
      billLate: (item) =>
        call(() => {
          // Found again by its identifier, however late: an item is searched for before it is made.
          if (!late.has(item.identifier)) late.set(item.identifier, item);
        }),
    },
    fail: (untilMs) => {
      outageUntil = untilMs;
    },
    reports,
    billed: (day) =>
      sum(of(day).filter(({ processedAt }) => processedAt <= Math.min(now(), invoiceEnd(day)))) +
      sum([...late.values()].filter((item) => isOf(item, day))),
    days: () => {
      const days = [...events, ...late.values()].map(dayOf);
      return [...new Map(days.map((day) => [JSON.stringify(day), day])).values()];
    },
  };
}

function dayOf({ funding, rateClass, timestamp }: MeterSending): MeteredDay {
  return { funding, rateClass, day: new Date(timestamp).toISOString().slice(0, 10) };
}

function isOf(event: MeterSending, { funding, rateClass, day }: MeteredDay): boolean {
  const its = dayOf(event);
  return its.funding === funding && its.rateClass === rateClass && its.day === day;
}

function invoiceEnd({ day }: MeteredDay): number {
  const [year = 0, month = 1] = day.split("-").map(Number);
  return Date.UTC(year, month, 1) + GRACE_MS;
}

function sum(events: readonly MeterSending[]): number {
  return events.reduce((units, event) => units + event.units, 0);
}
