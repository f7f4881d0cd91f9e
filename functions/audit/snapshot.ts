/**
 * Sums over a live table: what is added up must not move meanwhile. A comparison reads what frames it before and after
 * its rows, and counts only if nothing of it has moved.
 */
import type { Breach } from "./finding.ts";
import type { Clock, Item, Key, Store } from "#shared/ports.ts";

/** What a comparison found; undefined when it was none, because something moved. */
export type Compared = Breach[] | undefined;

const TRIES_MAX = 5;

/**
 * Compares until two comparisons agree, or one finds nothing. @param look counts from 1.
 * @returns what both have found; undefined when TRIES_MAX did not suffice: not compared.
 */
export async function compareSettled(
  { clock, settleMs }: { readonly clock: Clock; readonly settleMs: number },
  look: (tries: number) => Promise<Compared>,
  signal?: AbortSignal,
): Promise<Compared> {
  let before: ReadonlySet<string> = new Set();
  for (let tries = 1; tries <= TRIES_MAX; tries++) {
    if (tries > 1) await clock.sleep(settleMs, signal);
    const found = await look(tries);
    if (found === undefined) continue;
    const again = found.filter(([kind]) => before.has(kind));
    if (found.length === 0 || again.length > 0) return again;
    before = new Set(found.map(([kind]) => kind));
  }
  return undefined;
}

/** The items as they are, in a form that tells whether they have moved since: by a write or by arithmetic. */
export async function frameOf(store: Pick<Store, "get">, keys: readonly Key[]): Promise<Frame> {
  const items = await Promise.all(keys.map((key) => store.get(key)));
  const marks = items.map((item) =>
    item === undefined
      ? "absent"
      : JSON.stringify([item.rev, Object.entries(item.counters).map(String).toSorted()]),
  );
  return { items, mark: marks.join("\n") };
}

export interface Frame {
  /** In the order of their keys. */
  readonly items: readonly (Item | undefined)[];
  readonly mark: string;
}
