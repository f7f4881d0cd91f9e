import { shardOf } from "#shared/domain/id.ts";
import { duePartition, timeKey } from "#shared/domain/job.ts";
import { INDEX_SHARDS, UNREADABLE_CHARS_MAX, UNREADABLE_TTL_MS } from "#shared/domain/limits.ts";
import type { Clock, Store } from "#shared/ports.ts";

/** A message that nobody can read, and why. */
interface Unreadable {
  /** Which queue it came from: `doorbells`. */
  readonly queue: string;
  /** The queue's name of the message: put aside twice, it is kept once. */
  readonly id: string;
  readonly body: string;
  readonly reason: string;
}

/**
 * Keeps an unreadable message, cut short, for two weeks, so that an operator finds out who sends such a thing. The
 * caller then acknowledges it: it would only come again.
 */
export async function putAside(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  { queue, id, body, reason }: Unreadable,
): Promise<void> {
  const now = clock.now();
  const key = `${queue}#${id}`;
  const kept = { reason, at: now, characters: body.length, body: body.slice(0, UNREADABLE_CHARS_MAX) };
  const due = {
    pk: duePartition("retention", shardOf(key, INDEX_SHARDS)),
    sk: `${timeKey(now + UNREADABLE_TTL_MS)}#${key}`,
  };
  await store.transact([
    { op: "put", item: { pk: `UNREADABLE#${queue}`, sk: id, body: kept, indexes: { due } }, when: "absent" },
  ]);
}
