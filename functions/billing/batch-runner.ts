/**
 * Runs a batch: creates its jobs chunk by chunk, each chunk one transaction, and cancels them page by page when asked.
 * Whoever dies in between leaves a batch whose timer lets the next one go on where it stood.
 */
import { apply, jobItem, type ApplyDoors } from "../apply.ts";
import { takeTerms, type AcceptAsk, type AcceptDoors } from "./accept.ts";
import {
  afterCanceled,
  batchItem,
  batchKey,
  cancelWrites,
  chunkWrites,
  jobIdOf,
  newBatch,
  newBatchCounters,
  nextCanceled,
  nextLines,
  type Batch,
} from "#shared/domain/money/batch.ts";
import { Fault } from "#shared/domain/fault.ts";
import { newJob, owed, type Job } from "#shared/domain/job.ts";
import { BATCH_CHUNKS_MAX, BATCH_LINES_MAX, CONFLICT_TRIES_MAX } from "#shared/domain/limits.ts";
import type { Store, Write } from "#shared/ports.ts";

/** A line of a batch: a photograph that has arrived, or why it is none. */
type BatchLine =
  | { readonly options: Job["options"]; readonly input: Job["input"] }
  | { readonly invalid: string };

export interface BatchDoors extends ApplyDoors {
  /** The lines as they were sent, the same at every call. */
  readonly readLines: (
    batch: Batch,
    lines: { readonly from: number; readonly count: number },
  ) => Promise<readonly BatchLine[]>;
}

/**
 * The writes that accept a batch, and the batch. Its lines are jobs of the month it is accepted in, whenever they run.
 * @throws Fault input `batch_invalid`; as takeTerms.
 */
export async function prepareBatch(
  doors: AcceptDoors,
  ask: AcceptAsk & { readonly batch: string; readonly lines: number },
): Promise<{ readonly batch: Batch; readonly writes: readonly Write[] }> {
  const { batch: id, org, lines, at } = ask;
  if (!Number.isInteger(lines) || lines < 1 || lines > BATCH_LINES_MAX)
    throw new Fault("input", "batch_invalid", `A batch has 1 to ${BATCH_LINES_MAX} lines; please split it.`);
  const { terms, writes } = await takeTerms(doors, ask);
  const batch = newBatch({ id, org, terms, lines }, at);
  const put = { op: "put", item: batchItem(batch, newBatchCounters(lines)), when: "absent" } as const;
  return { batch, writes: [...writes, put] };
}

/** Goes on with a batch until nothing is left to do, or for BATCH_CHUNKS_MAX chunks. @throws Fault busy `store_busy`. */
export async function runBatch(doors: BatchDoors, id: string): Promise<void> {
  for (let chunks = 0; chunks < BATCH_CHUNKS_MAX; chunks++) {
    const stored = await loadBatch(doors.store, id);
    if (stored === undefined) return;
    const { batch, rev } = stored;
    switch (batch.status) {
      case "filling":
        await createChunk(doors, batch, rev);
        break;
      case "canceling":
        await cancelChunk(doors, batch, rev);
        break;
      case "filled":
      case "canceled":
        return;
    }
  }
}

/**
 * Stops a batch: no further job is created, those that have not ended are canceled.
 * @throws Fault missing `batch_missing`; busy `store_busy`.
 */
export async function cancelBatch(doors: BatchDoors, id: string): Promise<void> {
  for (let tries = 1; tries <= CONFLICT_TRIES_MAX; tries++) {
    const stored = await loadBatch(doors.store, id);
    if (stored === undefined) throw new Fault("missing", "batch_missing", "There is no such batch.");
    const writes = cancelWrites(stored.batch, stored.rev, doors.clock.now());
    if (writes === undefined || (await doors.store.transact(writes)).ok) return runBatch(doors, id);
  }
  throw new Fault("busy", "store_busy", "Too much is happening to this batch; please repeat the call.");
}

async function loadBatch(store: Store, id: string): Promise<{ batch: Batch; rev: number } | undefined> {
  const stored = await store.get(batchKey(id));
  return stored && { batch: stored.body as Batch, rev: stored.rev };
}

/** A chunk that lost its rev is not repeated: the next look says why. */
async function createChunk(doors: BatchDoors, batch: Batch, rev: number): Promise<void> {
  const now = doors.clock.now();
  const chunk = nextLines(batch);
  const lines = await doors.readLines(batch, chunk);
  const jobs: Job[] = [];
  const invalid: number[] = [];
  for (let i = 0; i < chunk.count; i++) {
    const line = lines[i];
    if (line === undefined || "invalid" in line) invalid.push(chunk.from + i);
    else {
      const { options, input } = line;
      const id = jobIdOf(batch.id, chunk.from + i);
      jobs.push(newJob({ id, org: batch.org, options, input, uploaded: true, terms: batch.terms }, now));
    }
  }
  const committed = await doors.store.transact([
    ...chunkWrites(batch, rev, { count: chunk.count, invalid }, now),
    ...jobs.map((job) => ({ op: "put" as const, item: jobItem(job), when: "absent" as const })),
  ]);
  if (!committed.ok) return;
  for (const job of jobs) for (const command of owed(job, now)) await doors.perform(command);
}

async function cancelChunk(doors: BatchDoors, batch: Batch, rev: number): Promise<void> {
  const lines = nextCanceled(batch);
  for (const line of lines)
    await apply(doors, jobIdOf(batch.id, line), { type: "cancel-asked" }).catch(ifMissing);
  const moved = afterCanceled(batch, lines.length, doors.clock.now());
  await doors.store.transact([{ op: "put", item: batchItem(moved), when: { rev } }]);
}

/** A line that was invalid has no job. */
function ifMissing(error: unknown): undefined {
  if (error instanceof Fault && error.kind === "missing") return undefined;
  throw error;
}
