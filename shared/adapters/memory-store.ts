import type { Clock, IndexName, Item, Key, Store, StoreScan } from "../ports.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import {
  checkKey,
  checkScan,
  digestOf,
  type DraftText,
  interval,
  outcome,
  permits,
  planTransaction,
  type Standing,
  TOKEN_TTL_MS,
  tokenReused,
} from "./store-rules.ts";
import { compareText } from "./text-order.ts";

interface Stored extends Standing, DraftText {
  readonly key: Key;
}

interface Nomination extends Key {
  readonly at: string;
}

/** The Store's twin for tests and simulations: everything in maps, gone with the process. */
export function createMemoryStore({ clock }: { readonly clock: Clock }): Store & StoreScan {
  const partitions = new Map<string, Map<string, Stored>>();
  const nominations = new Map<string, Map<string, Nomination>>();
  const tokens = new Map<string, { readonly digest: string; readonly expiresAt: number }>();

  const find = (key: Key) => partitions.get(key.pk)?.get(key.sk);

  function replace(key: Key, next: Stored | undefined): void {
    const name = `${key.pk}\0${key.sk}`;
    for (const [index, entry] of entriesOf(find(key))) nominations.get(`${index}\0${entry.pk}`)?.delete(name);
    const partition = partitions.get(key.pk) ?? new Map<string, Stored>();
    if (next === undefined) partition.delete(key.sk);
    else partitions.set(key.pk, partition.set(key.sk, next));
    if (partition.size === 0) partitions.delete(key.pk);
    for (const [index, entry] of entriesOf(next)) {
      const rows = nominations.get(`${index}\0${entry.pk}`) ?? new Map<string, Nomination>();
      nominations.set(`${index}\0${entry.pk}`, rows.set(name, { ...key, at: entry.sk }));
    }
  }

  /** @returns true when the same transaction was committed under this token before. */
  function recall(token: string, digest: string): boolean {
    const known = tokens.get(token);
    if (known === undefined || known.expiresAt <= clock.now()) return false;
    if (known.digest !== digest) throw tokenReused();
    return true;
  }

  function remember(token: string, digest: string): void {
    const now = clock.now();
    tokens.delete(token);
    tokens.set(token, { digest, expiresAt: now + TOKEN_TTL_MS });
    for (const [oldest, { expiresAt }] of tokens) {
      if (expiresAt > now) break;
      tokens.delete(oldest);
    }
  }

  return {
    async get(key) {
      checkKey(key);
      const stored = find(key);
      return stored && itemOf(stored);
    },

    async transact(writes, token) {
      const planned = planTransaction(writes, token);
      const digest = token === undefined ? "" : digestOf(writes);
      if (token !== undefined && recall(token, digest)) return { ok: true };
      const refused = planned.map(({ write, key }) => !permits(write, find(key)));
      if (refused.includes(true))
        return { ok: false, refusals: refused.map((no) => (no ? "condition" : undefined)) };
      for (const { write, key, draft } of planned) {
        const stored = find(key);
        const next = outcome(write, stored);
        const text = draft ?? stored;
        replace(key, next && text && { ...next, key, body: text.body, indexes: text.indexes });
      }
      if (token !== undefined) remember(token, digest);
      return { ok: true };
    },

    async list(pk, range) {
      const direction = range.newestFirst === true ? -1 : 1;
      const [after] = range.cursor === undefined ? [] : decodeCursor(range.cursor, 1);
      const { low, high } = interval(
        range,
        after === undefined ? undefined : { sk: after, inclusive: false },
      );
      const rows = [...(partitions.get(pk)?.values() ?? [])]
        .filter(({ key }) => compareText(key.sk, low) >= 0 && compareText(key.sk, high) < 0)
        .sort((a, b) => compareText(a.key.sk, b.key.sk) * direction);
      return pageOf(rows, range.limit, { show: itemOf, position: ({ key }) => [key.sk] });
    },

    async nominate(index, pk, range) {
      const direction = range.newestFirst === true ? -1 : 1;
      const after = range.cursor === undefined ? undefined : decodeCursor(range.cursor, 3);
      const { low, high } = interval(range, after && { sk: after[0] ?? "", inclusive: true });
      const rows = [...(nominations.get(`${index}\0${pk}`)?.values() ?? [])]
        .filter(({ at }) => compareText(at, low) >= 0 && compareText(at, high) < 0)
        .filter((row) => after === undefined || comparePositions(position(row), after) * direction > 0)
        .sort((a, b) => comparePositions(position(a), position(b)) * direction);
      return pageOf(rows, range.limit, { show: (row) => ({ ...row }), position });
    },

    async scan(range) {
      checkScan(range);
      if (range.part !== undefined && range.part.index > 0) return { rows: [] };
      const after = range.cursor === undefined ? ["", ""] : decodeCursor(range.cursor, 2);
      const rows = [...partitions.values()]
        .flatMap((partition) => [...partition.values()])
        .filter(({ key }) => comparePositions([key.pk, key.sk], after) > 0)
        .sort((a, b) => comparePositions([a.key.pk, a.key.sk], [b.key.pk, b.key.sk]));
      return pageOf(rows, range.limit, { show: itemOf, position: ({ key }) => [key.pk, key.sk] });
    },
  };
}

function position({ at, pk, sk }: Nomination): readonly string[] {
  return [at, pk, sk];
}

function entriesOf(stored: Stored | undefined): [IndexName, Key][] {
  return Object.entries(stored?.indexes ?? {}) as [IndexName, Key][];
}

function itemOf({ key, body, rev, counters, indexes }: Stored): Item {
  return {
    ...key,
    body: JSON.parse(body) as unknown,
    rev,
    counters: { ...counters },
    indexes: structuredClone(indexes),
  };
}

function comparePositions(a: readonly string[], b: readonly string[]): number {
  for (const [i, part] of a.entries()) {
    const order = compareText(part, b[i] ?? "");
    if (order !== 0) return order;
  }
  return 0;
}
