import { expect } from "vitest";
import type { Draft, Key, Page, Store, Write } from "#shared/ports.ts";

export interface StoreFixture {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

export const A: Key = { pk: "p", sk: "a" };
export const B: Key = { pk: "p", sk: "b" };

/** Creates an item. */
export function put(key: Key, rest: Partial<Draft> = {}): Write {
  return { op: "put", item: { ...key, body: {}, ...rest }, when: "absent" };
}

/** An entry in partition `due` of the index of the same name. */
export function due(at: string): { due: Key } {
  return { due: { pk: "due", sk: at } };
}

export async function commit(store: Store, writes: readonly Write[]): Promise<void> {
  expect(await store.transact(writes)).toEqual({ ok: true });
}

/** All rows of a listing, page by page. */
export async function collect<T>(
  page: (range: { limit: number; cursor?: string }) => Promise<Page<T>>,
): Promise<T[]> {
  const rows: T[] = [];
  for (let cursor: string | undefined; ;) {
    const next = await page({ limit: 100, ...(cursor !== undefined && { cursor }) });
    rows.push(...next.rows);
    cursor = next.cursor;
    if (cursor === undefined) return rows;
  }
}
