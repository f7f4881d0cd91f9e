/**
 * A batch: many jobs accepted at once, created piece by piece. It takes the bound of all its lines at its accept; each
 * chunk hands a part of it on to its jobs, so that every micro-unit taken has one owner at any moment.
 *
 *   filling ─last line─► filled
 *      └─cancel─► canceling ─its jobs are canceled, page by page─► canceled ◄─ (from filled, too)
 *
 * `rev` fences the chunks: a cancel raises it, so a chunk in flight fails. The counts move by arithmetic, which leaves
 * `rev` alone; only the rater writes them.
 */
import { invariant } from "../fault.ts";
import { BATCH_AGAIN_MS, BATCH_CHUNK_LINES } from "../limits.ts";
import { customerEvent, outboxItem } from "./outbox.ts";
import { moneyDue, type Change, type Counters, type Key, type Row } from "./row.ts";
import type { Terms } from "./terms.ts";
import { unrated, unratedItem, type Outcome } from "./unrated.ts";

export interface Batch {
  readonly id: string;
  readonly org: string;
  /** Of each line: its jobs are accepted on them, whenever their chunk runs. */
  readonly terms: Terms;
  readonly lines: number;
  /** Lines before it have been handed on. */
  readonly cursor: number;
  /** What the lines from the cursor on still hold. */
  readonly remainder: number;
  readonly status: "filling" | "filled" | "canceling" | "canceled";
  /** While canceling: jobs of lines before it are canceled. */
  readonly canceled: number;
  readonly dueAt: number;
}

/** Lines not yet rated, and how the others ended. */
const BATCH_COUNTERS = ["pending", "succeeded", "failed", "canceled", "expired", "invalid"] as const;

export function batchKey(id: string): Key {
  return { pk: `BATCH#${id}`, sk: "BATCH" };
}

export function newBatch(
  { id, org, terms, lines }: Pick<Batch, "id" | "org" | "terms" | "lines">,
  now: number,
): Batch {
  const remainder = lines * terms.bound;
  return { id, org, terms, lines, cursor: 0, remainder, status: "filling", canceled: 0, dueAt: now };
}

/** @param counters only of a batch that is new. */
export function batchItem(batch: Batch, counters?: Counters): Row {
  const isOpen = batch.status === "filling" || batch.status === "canceling";
  return {
    ...batchKey(batch.id),
    body: batch,
    ...(counters === undefined ? {} : { counters }),
    ...(isOpen ? { indexes: moneyDue(batch.id, batch.dueAt) } : {}),
  };
}

export function newBatchCounters(lines: number): Counters {
  return Object.fromEntries(BATCH_COUNTERS.map((name) => [name, name === "pending" ? lines : 0]));
}

/**
 * The id of the job of a line: the batch's instant and most of its chance, then the line. Repeating a chunk names the
 * same jobs. @param line below 32⁵.
 */
export function jobIdOf(batchId: string, line: number): string {
  const stem = /^bat_([0-9a-hjkmnp-tv-z]{26})$/.exec(batchId)?.[1];
  invariant(
    stem !== undefined && line >= 0 && line < 32 ** 5,
    "a batch's id is of its kind, its lines are few",
  );
  let tail = "";
  for (let rest = line, i = 0; i < 5; i++, rest = Math.floor(rest / 32))
    tail = ALPHABET.charAt(rest % 32) + tail;
  return `job_${stem.slice(0, 21)}${tail}`;
}

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** The lines of the next chunk. */
export function nextLines({ cursor, lines }: Batch): { readonly from: number; readonly count: number } {
  return { from: cursor, count: Math.min(BATCH_CHUNK_LINES, lines - cursor) };
}

/** What is written beside the jobs of a chunk: the batch moved on, and a row for each line that is no job. */
export function chunkWrites(
  batch: Batch,
  rev: number,
  chunk: { readonly count: number; readonly invalid: readonly number[] },
  now: number,
): Change[] {
  const cursor = batch.cursor + chunk.count;
  const moved: Batch = {
    ...batch,
    cursor,
    remainder: batch.remainder - chunk.count * batch.terms.bound,
    status: cursor === batch.lines ? "filled" : "filling",
    dueAt: now + BATCH_AGAIN_MS,
  };
  const rows = chunk.invalid.map((line) => released(batch, jobIdOf(batch.id, line), 1, "invalid", now));
  return [
    { op: "put", item: batchItem(moved), when: { rev } },
    ...rows.map((item) => ({ op: "put", item, when: "absent" }) as const),
  ];
}

/** Cancels what is left: its remainder and its lines go back in one row. Undefined when there is nothing to cancel. */
export function cancelWrites(batch: Batch, rev: number, now: number): Change[] | undefined {
  if (batch.status === "canceling" || batch.status === "canceled") return undefined;
  const left = batch.lines - batch.cursor;
  const canceled: Batch = { ...batch, remainder: 0, status: "canceling", dueAt: now };
  return [
    { op: "put", item: batchItem(canceled), when: { rev } },
    ...(left === 0
      ? []
      : [
          {
            op: "put",
            item: released(batch, `${batch.id}-rest`, left, "canceled", now),
            when: "absent",
          } as const,
        ]),
  ];
}

/** The lines whose jobs are canceled next. */
export function nextCanceled({ canceled, cursor }: Batch): readonly number[] {
  return Array.from({ length: Math.min(BATCH_CHUNK_LINES, cursor - canceled) }, (_, i) => canceled + i);
}

/** After those were canceled. */
export function afterCanceled(batch: Batch, count: number, now: number): Batch {
  const canceled = batch.canceled + count;
  const status = canceled === batch.cursor ? "canceled" : "canceling";
  return { ...batch, canceled, status, dueAt: now + BATCH_AGAIN_MS };
}

/** The row that the rater which counts its last line owes. */
export function completedRow(org: string, batchId: string, now: number): Row {
  return outboxItem(customerEvent(org, { type: "batch.completed", subject: batchId }, now));
}

function released(batch: Batch, row: string, lines: number, outcome: Outcome, now: number): Row {
  const { org, terms } = batch;
  return unratedItem(
    unrated(
      { ...terms, batch: batch.id },
      { org, row, outcome, lines, units: 0, bound: lines * terms.bound },
      now,
    ),
  );
}
