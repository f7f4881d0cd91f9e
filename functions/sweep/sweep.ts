/**
 * The sweeper: whatever is overdue gets the same event as on its normal path. It trusts the index only to nominate;
 * every item is read anew before it is acted on. Two sweepers at once are harmless.
 */
import { apply, loadJob, type ApplyDoors } from "../apply.ts";
import { handleMoney, isMoney, type MoneyDoors } from "../billing/due.ts";
import { look } from "../look.ts";
import { DUE_CLASSES, duePartition, timeKey } from "#shared/domain/job.ts";
import { Fault } from "#shared/domain/fault.ts";
import { INDEX_SHARDS, PAGE_ROWS_MAX } from "#shared/domain/limits.ts";
import type { Log } from "#shared/log.ts";
import type { Blobs, Draft, Item, Key } from "#shared/ports.ts";

export interface SweepDoors extends ApplyDoors, MoneyDoors {
  readonly blobs: Blobs;
  readonly log: Log;
}

/** An item that cannot be handled is put off by this, so that it never stands before the others. */
const PUT_OFF_MS = 300_000;

/**
 * One round over all shards of all classes, the most urgent class first. A shard that cannot be read holds up no other:
 * it is logged, and its turn comes again with the next round. Answers how many items were handled.
 */
export async function sweep(doors: SweepDoors, signal?: AbortSignal): Promise<number> {
  let handled = 0;
  const rated = new Set<string>();
  for (const dueClass of DUE_CLASSES) {
    for (let shard = 0; shard < INDEX_SHARDS; shard++) {
      if (signal?.aborted) return handled;
      for (const key of await overdue(doors, duePartition(dueClass, shard))) {
        await handle(doors, key, rated);
        handled += 1;
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
