/**
 * The sweeper: whatever is overdue gets the same event as on its normal path. It trusts the index only to nominate;
 * every item is read anew before it is acted on. Two sweepers at once are harmless.
 */
import { apply, loadJob, type ApplyDoors } from "../apply.ts";
import { handleMoney, isMoney, type MoneyDoors } from "../billing/due.ts";
import { look } from "../look.ts";
import { DUE_CLASSES, duePartition, timeKey, type DueClass } from "#shared/domain/job.ts";
import { Fault } from "#shared/domain/fault.ts";
import { INDEX_SHARDS, PAGE_ROWS_MAX } from "#shared/domain/limits.ts";
import type { Log } from "#shared/log.ts";
import type { Blobs, Draft, Item, Key } from "#shared/ports.ts";

export interface SweepDoors extends ApplyDoors, MoneyDoors {
  readonly blobs: Blobs;
  readonly log: Log;
}

/** An item that cannot be handled is put off by this, so that it does not stand before the others. */
const PUT_OFF_MS = 300_000;
/** Items that are handled side by side: most of the time each waits for an engine. */
const AT_ONCE = 8;
/** A class is left to the next round after so long: an engine that hangs must not keep the other classes waiting. */
const CLASS_MS_MAX = 30_000;

/** What goes round by itself: whatever the others wait for, a dead agent's stages do not. */
export const SWEEP_LOOPS: readonly (readonly DueClass[])[] = [["lease"], ["ring", "money", "retention"]];

/**
 * One round over all shards of these classes (all of them, the most urgent first). A shard that cannot be read holds up no
 * other: it is logged, and its turn comes again with the next round. Answers how many items were handled.
 */
export async function sweep(
  doors: SweepDoors,
  ask: { readonly classes?: readonly DueClass[]; readonly signal?: AbortSignal } = {},
): Promise<number> {
  let handled = 0;
  const rated = new Set<string>();
  for (const dueClass of ask.classes ?? DUE_CLASSES) {
    const until = doors.clock.now() + CLASS_MS_MAX;
    const isOver = (): boolean => ask.signal?.aborted === true || doors.clock.now() > until;
    // Not always the same one first: a class that is left early would never come to its last.
    const first = (doors.entropy(1)[0] ?? 0) % INDEX_SHARDS;
    for (let i = 0; i < INDEX_SHARDS && !isOver(); i++) {
      const keys = await overdue(doors, duePartition(dueClass, (first + i) % INDEX_SHARDS));
      for (let at = 0; at < keys.length && !isOver(); at += AT_ONCE) {
        const some = keys.slice(at, at + AT_ONCE);
        await Promise.all(some.map((key) => handle(doors, key, rated)));
        handled += some.length;
      }
    }
  }
  return handled;
}

async function overdue({ store, clock, log }: SweepDoors, partition: string): Promise<readonly Key[]> {
  try {
    // The next digit up bounds the page: keys are `<time>#<id>`.
    const upTo = `${timeKey(clock.now())}$`;
    return (await store.nominate("due", partition, { limit: PAGE_ROWS_MAX, upTo })).rows;
  } catch (error) {
    log.warn("shard_unread", { partition, error });
    return [];
  }
}

async function handle(doors: SweepDoors, key: Key, rated: Set<string>): Promise<void> {
  try {
    if (key.sk === "JOB") await sweepJob(doors, key.pk.slice("JOB#".length));
    else if (isMoney(key)) await handleMoney(doors, key, rated);
    else await removeOverdue(doors, key);
  } catch (error) {
    // Nothing is wrong with an item while the engines are busy: it is due again in the next round.
    if (error instanceof Fault && error.retryable) {
      doors.log.warn("sweep_busy", { key, error });
      return;
    }
    doors.log.error("sweep_failed", { key, error });
    await putOff(doors, key).catch((failed: unknown) =>
      doors.log.error("put_off_failed", { key, error: failed }),
    );
  }
}

async function sweepJob(doors: SweepDoors, jobId: string): Promise<void> {
  const { job } = await loadJob(doors.store, jobId);
  if (job.stages.some((stage) => stage.status === "leased")) await look(doors, jobId);
  // The event of an arrived upload may be late or lost: look for the object itself.
  const objectThere =
    job.status === "awaiting_upload" && (await doors.blobs.head(job.input.key)) !== undefined;
  await apply(doors, jobId, { type: "due", objectThere });
}

/** Rows that only live for a while: idempotency keys, upload slots with their bytes, agents long silent. */
async function removeOverdue(doors: SweepDoors, key: Key): Promise<void> {
  const item = await doors.store.get(key);
  if (item === undefined || !isOverdue(item, doors.clock.now())) return;
  const { key: blob, usedBy } = item.body as { key?: string; usedBy?: string };
  if (key.pk.startsWith("UPLOAD#") && blob !== undefined && usedBy === undefined)
    await doors.blobs.delete(blob);
  await doors.store.transact([{ op: "delete", key, when: { rev: item.rev } }]);
}

function isOverdue(item: Item, now: number): boolean {
  const due = item.indexes.due?.sk;
  return due !== undefined && due <= `${timeKey(now)}$`;
}

async function putOff(doors: SweepDoors, key: Key): Promise<void> {
  const item = await doors.store.get(key);
  const due = item?.indexes.due;
  if (item === undefined || due === undefined) return;
  const tail = due.sk.slice(due.sk.indexOf("#"));
  const moved: Draft = {
    ...item,
    indexes: {
      ...item.indexes,
      due: { pk: due.pk, sk: `${timeKey(doors.clock.now() + PUT_OFF_MS)}${tail}` },
    },
  };
  await doors.store.transact([{ op: "put", item: moved, when: { rev: item.rev }, keepRev: true }]);
}
