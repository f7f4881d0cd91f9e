import { compareText } from "#shared/adapters/text-order.ts";

/** Rows ordered by a text, in one array: finding is a binary search, inserting moves memory, both fast to 100,000 rows. */
export interface SortedRows<Row> {
  insert(position: string, row: Row): void;
  remove(position: string): void;
  /** From `low` (included) to `high` (excluded), at most `limit`. */
  slice(low: string, high: string, ask: { readonly limit: number; readonly newestFirst: boolean }): Row[];
  readonly size: number;
}

export function createSortedRows<Row>(): SortedRows<Row> {
  const positions: string[] = [];
  const rows: Row[] = [];

  function find(position: string): number {
    let low = 0;
    let high = positions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareText(positions[middle]!, position) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    insert(position, row) {
      const at = find(position);
      if (positions[at] === position) {
        rows[at] = row;
        return;
      }
      positions.splice(at, 0, position);
      rows.splice(at, 0, row);
    },
    remove(position) {
      const at = find(position);
      if (positions[at] !== position) return;
      positions.splice(at, 1);
      rows.splice(at, 1);
    },
    slice(low, high, { limit, newestFirst }) {
      if (rows.length === 0) return [];
      const from = find(low);
      const to = Math.max(from, find(high));
      if (newestFirst) return rows.slice(Math.max(from, to - limit), to).reverse();
      return rows.slice(from, Math.min(to, from + limit));
    },
    get size() {
      return rows.length;
    },
  };
}
