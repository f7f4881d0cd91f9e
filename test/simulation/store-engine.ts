/**
 * The store of a simulation: the rules of the port (store-rules.ts), in ordered arrays so that a backlog of 100,000 jobs
 * costs no more than one of ten. It tells of every change, and its indexes may lag behind.
 */
import { decodeCursor, pageOf } from "#shared/adapters/cursor.ts";
import {
  checkKey,
  digestOf,
  interval,
  outcome,
  permits,
  planTransaction,
  TOKEN_TTL_MS,
  tokenReused,
  type DraftText,
  type Standing,
} from "#shared/adapters/store-rules.ts";
import type { Committed, IndexName, Item, Key, Page, Range, Store, Write } from "#shared/ports.ts";
import { createSortedRows, type Position, type SortedRows } from "./sorted-rows.ts";

interface Stored extends Standing, DraftText {
  readonly key: Key;
  /** As it is read; made when it is first asked for. */
  item?: Item;
}

type Nomination = Key & { readonly at: string };

export interface Change {
  readonly key: Key;
  readonly before: Item | undefined;
  readonly after: Item | undefined;
  readonly write: Write;
}

/** The Store port, answered at once with what nobody may change; the port itself is `storeOf`. */
export interface StoreEngine {
  get(key: Key): Item | undefined;
  transact(writes: readonly Write[], token?: string): Committed;
  list(pk: string, range: Range): Page<Item>;
  nominate(index: IndexName, pk: string, range: Range): Page<Nomination>;
  /** Every item, for audits. */
  items(): Iterable<Item>;
}

export interface StoreEngineParts {
  readonly now: () => number;
  /** Told of every commit that changed something, after it. */
  readonly onCommit?: (changes: readonly Change[]) => void;
  /** How long an index goes on showing the past after this commit, and how to wait for it. */
  readonly lag?: { readonly draw: () => number; readonly after: (ms: number, act: () => void) => void };
}

const APART = "\0";
/** Freezing costs as much as parsing. */
const FREEZE_EVERY = 29;

export function createStoreEngine({ now, onCommit, lag }: StoreEngineParts): StoreEngine {
  const stored = new Map<string, Stored>();
  const partitions = new Map<string, SortedRows<Stored>>();
  const nominations = new Map<string, SortedRows<Nomination>>();
  const tokens = new Map<string, { readonly digest: string; readonly expiresAt: number }>();
  /** What each item's index entries look like now, and by which of its changes. */
  const shown = new Map<string, { readonly change: number; readonly indexes: DraftText["indexes"] }>();
  let changes = 0;

  function replace(name: string, key: Key, next: Stored | undefined): void {
    const rows = rowsOf(partitions, key.pk);
    if (next === undefined) {
      stored.delete(name);
      rows.remove(startOf(key.sk));
    } else {
      stored.set(name, next);
      rows.insert(startOf(key.sk), next);
    }
    changes += 1;
    const change = changes;
    const ms = lag?.draw() ?? 0;
    if (lag === undefined || ms <= 0) show(name, key, { change, indexes: next?.indexes ?? {} });
    else lag.after(ms, () => show(name, key, { change, indexes: next?.indexes ?? {} }));
  }

  function show(
    name: string,
    key: Key,
    next: { readonly change: number; readonly indexes: DraftText["indexes"] },
  ): void {
    const last = shown.get(name);
    if (last !== undefined && last.change > next.change) return;
    for (const [index, entry] of entriesOf(last?.indexes)) {
      const same = next.indexes[index];
      if (same?.pk === entry.pk && same.sk === entry.sk) continue;
      nominations.get(index + APART + entry.pk)?.remove(positionOf(entry.sk, key));
    }
    for (const [index, entry] of entriesOf(next.indexes)) {
      rowsOf(nominations, index + APART + entry.pk).insert(positionOf(entry.sk, key), {
        ...key,
        at: entry.sk,
      });
    }
    shown.set(name, next);
  }

  function recall(token: string, digest: string): boolean {
    const known = tokens.get(token);
    if (known === undefined || known.expiresAt <= now()) return false;
    if (known.digest !== digest) throw tokenReused();
    return true;
  }

  return {
    get(key) {
      checkKey(key);
      const found = stored.get(nameOf(key));
      return found && itemOf(found);
    },

    transact(writes, token) {
      const planned = planTransaction(writes, token);
      const digest = token === undefined ? "" : digestOf(writes);
      if (token !== undefined && recall(token, digest)) return { ok: true };
      const found = planned.map(({ key }) => stored.get(nameOf(key)));
      const refused = planned.map(({ write }, i) => !permits(write, found[i]));
      if (refused.includes(true))
        return { ok: false, refusals: refused.map((no) => (no ? "condition" : undefined)) };
      const told: Change[] = [];
      for (const [i, { write, key, draft }] of planned.entries()) {
        const before = found[i];
        const next = outcome(write, before);
        const text = draft ?? before;
        const after = next && text && { ...next, key, body: text.body, indexes: text.indexes };
        if (after === before) continue;
        replace(nameOf(key), key, after);
        if (onCommit !== undefined)
          told.push({ key, before: before && itemOf(before), after: after && itemOf(after), write });
      }
      if (token !== undefined) tokens.set(token, { digest, expiresAt: now() + TOKEN_TTL_MS });
      onCommit?.(told);
      return { ok: true };
    },

    list(pk, range) {
      const [after] = range.cursor === undefined ? [] : decodeCursor(range.cursor, 1);
      const { low, high } = interval(
        range,
        after === undefined ? undefined : { sk: after, inclusive: false },
      );
      const ask = { limit: range.limit + 1, newestFirst: range.newestFirst === true };
      const rows = partitions.get(pk)?.slice(startOf(low), startOf(high), ask) ?? [];
      return pageOf(rows, range.limit, { show: itemOf, position: ({ key }) => [key.sk] });
    },

    nominate(index, pk, range) {
      const all = nominations.get(index + APART + pk);
      // Most shards are empty, and sweepers look at all of them.
      if ((all === undefined || all.size === 0) && range.cursor === undefined) return { rows: [] };
      const after = range.cursor === undefined ? undefined : decodeCursor(range.cursor, 3);
      const newestFirst = range.newestFirst === true;
      const { low, high } = interval(range, after && { sk: after[0] ?? "", inclusive: true });
      if (all === undefined) return { rows: [] };
      const last = after && positionOf(after[0] ?? "", { pk: after[1] ?? "", sk: after[2] ?? "" });
      let from = startOf(low);
      let to = startOf(high);
      if (last !== undefined && newestFirst && last.at < high) to = last;
      if (last !== undefined && !newestFirst && last.at >= low) from = { ...last, tie: last.tie + APART };
      const rows = all.slice(from, to, { limit: range.limit + 1, newestFirst });
      return pageOf(rows, range.limit, {
        show: (row) => ({ ...row }),
        position: ({ at, pk, sk }) => [at, pk, sk],
      });
    },

    *items() {
      for (const each of stored.values()) yield itemOf(each);
    },
  };
}

/** The engine behind the port, without a network in between. */
export function storeOf(engine: StoreEngine): Store {
  return {
    get: async (key) => structuredClone(engine.get(key)),
    transact: async (writes, token) => engine.transact(writes, token),
    list: async (pk, range) => structuredClone(engine.list(pk, range)),
    nominate: async (index, pk, range) => engine.nominate(index, pk, range),
  };
}

function rowsOf<Row>(all: Map<string, SortedRows<Row>>, name: string): SortedRows<Row> {
  let rows = all.get(name);
  if (rows === undefined) all.set(name, (rows = createSortedRows<Row>()));
  return rows;
}

function nameOf({ pk, sk }: Key): string {
  return pk + APART + sk;
}

/** The first place of all that share a sort key. */
function startOf(at: string): Position {
  return { at, tie: "" };
}

/** Ordered as an index is: by its sort key, then by the item's key. No key holds the character between. */
function positionOf(at: string, { pk, sk }: Key): Position {
  return { at, tie: pk + APART + sk };
}

function entriesOf(indexes: DraftText["indexes"] = {}): [IndexName, Key][] {
  return Object.entries(indexes) as [IndexName, Key][];
}

/** Parsed once; every few frozen: whoever changes what he reads hears of it. */
function itemOf(from: Stored): Item {
  if (from.item !== undefined) return from.item;
  const { key, body, rev, counters, indexes } = from;
  const content: unknown = JSON.parse(body);
  from.item = { ...key, body: content, rev, counters, indexes };
  if (rev % FREEZE_EVERY === 0) freeze(from.item);
  return from.item;
}

function freeze(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  for (const name in value) freeze((value as Record<string, unknown>)[name]);
  return Object.freeze(value);
}
