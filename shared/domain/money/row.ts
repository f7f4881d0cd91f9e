/** Items and writes as the Store port takes them (shared/ports.ts), told here because the domain imports no doors. */
import { shardOf } from "../id.ts";
import { duePartition, timeKey } from "../job.ts";
import { INDEX_SHARDS } from "../limits.ts";

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

export type Counters = Readonly<Record<string, number>>;

export interface Row extends Key {
  readonly body: unknown;
  readonly counters?: Counters;
  readonly indexes?: { readonly due?: Key };
}

/** A row as read. */
export interface Stored extends Row {
  readonly rev: number;
  readonly counters: Counters;
}

type When = "absent" | "exists" | { readonly rev: number };

export type Change =
  | { readonly op: "put"; readonly item: Row; readonly when: When }
  | Addition
  | { readonly op: "check"; readonly key: Key; readonly when: When }
  | { readonly op: "delete"; readonly key: Key; readonly when: When };

export interface Addition {
  readonly op: "add";
  readonly key: Key;
  readonly add: Counters;
  readonly floor?: Counters;
}

/** The timer of a money row: below leases and doorbells, above retention. */
export function moneyDue(id: string, at: number): { readonly due: Key } {
  return { due: { pk: duePartition("money", shardOf(id, INDEX_SHARDS)), sk: `${timeKey(at)}#${id}` } };
}

/** What must hold for the item exactly as it was read: its rev, or that there was none. */
export function asRead(stored: Stored | undefined): "absent" | { readonly rev: number } {
  return stored === undefined ? "absent" : { rev: stored.rev };
}
