/**
 * A window: one day of one subscription and class, whose units are compared once with what its meter has counted.
 *
 *   open ─jobs rated, nothing pending─► quiet ─1 h─► read ─1 h, same reading─► settled        (equal)
 *    ▲                                    │           │ └─other reading─► read
 *    └────────────────────────────────────┘           ├─meter has less─► owing ─sent─► settled
 *                                                     └─meter has more─► disputed
 *   owing ─20 h, or up to its invoice's end, without an answer─► doubted ─1 h, same reading─► settled (it has arrived), owing (it has not), disputed
 *
 * The difference is stored before it is sent and only ever sent with that value, under an identifier of the window.
 */
import { BLIND_AFTER_MS, READINGS_APART_MS } from "../limits.ts";
import { meterClosesAt } from "./outbox.ts";
import { moneyDue, type Key, type Row } from "./row.ts";
import type { Terms } from "./terms.ts";

export interface Window {
  readonly org: string;
  readonly month: string;
  /** Name of the window, as `windowOf` gives it. */
  readonly window: string;
  readonly rateClass: Terms["rateClass"];
  readonly funding: `sub_${string}`;
  readonly state: "open" | "quiet" | "read" | "owing" | "doubted" | "settled" | "disputed";
  /** The last reading of the meter. */
  readonly reading?: number;
  readonly difference?: Difference;
  readonly dueAt: number;
}

interface Difference {
  readonly units: number;
  /** What the meter said without it. */
  readonly before: number;
  /** Since when it may have been sent. */
  readonly owedAt: number;
  /** Its month's invoice takes no more events: it becomes an item of its own. */
  readonly late: boolean;
}

/** What is known of a window at one moment. */
export interface WindowFacts {
  /** Its jobs not yet rated. */
  readonly open: number;
  /** Its meter events that may still be sent. */
  readonly pending: number;
  /** Its rated units. */
  readonly units: number;
  /** What the meter has counted; undefined when it was not asked. */
  readonly reading?: number;
}

const DAY_MS = 24 * 3_600_000;

function windowKey(org: string, window: string): Key {
  return { pk: `WINDOW#${org}`, sk: window };
}

/** A window whose first job is accepted; compared from an hour after its day on. */
export function newWindow(
  { month, rateClass, acceptedAt }: Pick<Terms, "month" | "rateClass" | "acceptedAt">,
  of: Pick<Window, "org" | "window" | "funding">,
): Window {
  const dayEnd = (Math.floor(acceptedAt / DAY_MS) + 1) * DAY_MS;
  return { ...of, month, rateClass, state: "open", dueAt: dayEnd + READINGS_APART_MS };
}

export function windowItem(window: Window): Row {
  return {
    ...windowKey(window.org, window.window),
    body: window,
    ...(isClosed(window) ? {} : { indexes: moneyDue(`${window.org}#${window.window}`, window.dueAt) }),
  };
}

export function isClosed({ state }: Window): boolean {
  return state === "settled" || state === "disputed";
}

/** Whether the meter is to be asked before the next step. */
export function needsReading({ state }: Window): boolean {
  return state === "quiet" || state === "read" || state === "doubted";
}

/** Deterministic: sent again it is known again. */
export function differenceId({ org, window }: Window): string {
  return `recon:${org}:${window}`;
}

/** The window after a look at it; total in every state. Sending what is `owing` is the caller's. */
export function nextWindow(window: Window, facts: WindowFacts, now: number): Window {
  const later = { dueAt: now + READINGS_APART_MS };
  switch (window.state) {
    case "open":
    case "quiet":
    case "read":
      if (facts.open > 0 || facts.pending > 0) return restarted(window, "open", now);
      if (window.state === "open") return { ...window, ...later, state: "quiet" };
      if (facts.reading === undefined) return { ...window, ...later };
      if (window.state === "quiet" || facts.reading !== window.reading)
        return { ...window, ...later, state: "read", reading: facts.reading };
      return compared(window, facts.units, facts.reading, now);
    case "owing":
      return isDoubtful(window, now) ? restarted(window, "doubted", now) : window;
    case "doubted":
      if (facts.reading === undefined) return { ...window, ...later };
      if (facts.reading !== window.reading) return { ...window, ...later, reading: facts.reading };
      return redecided(window, facts.reading, now);
    case "settled":
    case "disputed":
      return window;
  }
}

/** The difference has been taken. */
export function differenceSent(window: Window): Window {
  return { ...window, state: "settled" };
}

/** Whether the difference can no longer be sent under its identifier without knowing whether it has arrived. */
function isDoubtful({ difference, month }: Window, now: number): boolean {
  if (difference === undefined || difference.late) return false;
  return now - difference.owedAt >= BLIND_AFTER_MS || now >= meterClosesAt(month);
}

function restarted(window: Window, state: "open" | "doubted", now: number): Window {
  const { reading: _, ...unread } = window;
  return { ...unread, state, dueAt: now + READINGS_APART_MS };
}

function compared(window: Window, units: number, reading: number, now: number): Window {
  if (reading === units) return { ...window, state: "settled" };
  if (reading > units) return { ...window, state: "disputed" };
  return owing(window, { units: units - reading, before: reading }, now);
}

function redecided(window: Window, reading: number, now: number): Window {
  const { difference } = window;
  if (difference !== undefined && reading === difference.before) return owing(window, difference, now);
  const hasArrived = difference !== undefined && reading === difference.before + difference.units;
  return { ...window, state: hasArrived ? "settled" : "disputed" };
}

function owing(window: Window, { units, before }: Pick<Difference, "units" | "before">, now: number): Window {
  const late = now >= meterClosesAt(window.month);
  return { ...window, state: "owing", difference: { units, before, owedAt: now, late }, dueAt: now };
}
