/**
 * An account: what was paid in advance, and the settings it accepts under. The balance moves by arithmetic, which
 * leaves `rev` alone, so the item's `rev` is that of the settings.
 */
import { NO_CAP } from "../limits.ts";
import type { Addition, Key, Row, Stored } from "./row.ts";
import type { Funding } from "./terms.ts";

export interface Settings {
  /** What a month may cost, in micro-units; NO_CAP: as much as it likes. */
  readonly cap: number;
  /** The same for single API keys; a key that is not named has no cap of its own. */
  readonly keyCaps: Readonly<Record<string, number>>;
  readonly funding: Funding;
}

/** Of an account that nobody has set anything for. */
const DEFAULT_SETTINGS: Settings = { cap: NO_CAP, keyCaps: {}, funding: "ledger" };

export function accountKey(org: string): Key {
  return { pk: `ORG#${org}`, sk: "ACCOUNT" };
}

export function readSettings(stored: Stored | undefined): Settings {
  return stored === undefined ? DEFAULT_SETTINGS : (stored.body as Settings);
}

/** With new settings; the balance of an account that is there stays as it is. */
export function accountItem(org: string, settings: Settings, stored: Stored | undefined): Row {
  return {
    ...accountKey(org),
    body: settings,
    ...(stored === undefined ? { counters: { granted: 0, available: 0 } } : {}),
  };
}

/** Takes from what is available; refused where that would not suffice. */
export function takeBalance(org: string, micros: number): Addition {
  return { op: "add", key: accountKey(org), add: { available: -micros }, floor: { available: 0 } };
}

/** Gives back what was taken too much. */
export function giveBack(org: string, micros: number): Addition {
  return { op: "add", key: accountKey(org), add: { available: micros } };
}

/** A payment, a refund, a credit; negative: a dispute, which alone may take what is available below zero. */
export function grant(org: string, micros: number): Addition {
  return { op: "add", key: accountKey(org), add: { granted: micros, available: micros } };
}
