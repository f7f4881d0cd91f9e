/**
 * Creating at most once per Idempotency-Key: the key's row is put in the very transaction that creates, so there is no
 * moment in which one exists without the other. Of callers at once one wins; the others find its row and repeat its
 * answer. Signed addresses are no part of what is remembered: they are made anew for each answer.
 */
import { createHash } from "node:crypto";
import { z } from "@hono/zod-openapi";
import type { ApiDoors } from "./api.ts";
import { Fault } from "#shared/domain/fault.ts";
import { shardOf } from "#shared/domain/id.ts";
import { duePartition, timeKey } from "#shared/domain/job.ts";
import { CONFLICT_TRIES_MAX, INDEX_SHARDS } from "#shared/domain/limits.ts";
import type { Draft, Item, Key, Store, Write } from "#shared/ports.ts";

const KEPT_MS = 48 * 3_600_000;
const JITTER_MS_MAX = 40;

export const IdempotencyHeaders = z.object({
  "idempotency-key": z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, "1 to 255 visible ASCII characters")
    .optional()
    .openapi({
      description:
        "Repeating the call with the same key and body within 48 hours creates nothing and repeats the first answer.",
      example: "order-991-scan-1",
    }),
});

interface IdempotencyRow {
  readonly kind: "idempotency";
  readonly expiresAt: number;
  /** SHA-256 (hex) of the call it belongs to. */
  readonly call: string;
  readonly answer: unknown;
}

export interface OnceAsk {
  readonly org: string;
  /** Absent: nothing is remembered. */
  readonly key: string | undefined;
  /** What the key stands for: the route and the body as understood. */
  readonly call: { readonly route: string; readonly body: unknown };
}

/** The writes that create, and what is answered, as JSON without secrets. */
export interface Creation<Answer> {
  readonly writes: readonly Write[];
  readonly answer: Answer;
}

export interface Created<Answer> {
  readonly answer: Answer;
  readonly replayed: boolean;
}

/**
 * @param prepare called anew for every try; may throw a Fault, which is not remembered.
 * @throws Fault input `idempotency_reused` when the key stands for another call; busy `store_busy`.
 */
export async function createOnce<Answer>(
  doors: Pick<ApiDoors, "store" | "clock" | "entropy">,
  ask: OnceAsk,
  prepare: () => Promise<Creation<Answer>>,
): Promise<Created<Answer>> {
  const { store, clock, entropy } = doors;
  const call = createHash("sha256").update(JSON.stringify(ask.call)).digest("hex");
  const key = ask.key === undefined ? undefined : idempotencyKey(ask.org, ask.key);
  for (let tries = 1; tries <= CONFLICT_TRIES_MAX; tries++) {
    const stored = key === undefined ? undefined : await store.get(key);
    const row = stored?.body as IdempotencyRow | undefined;
    if (row !== undefined && row.expiresAt > clock.now()) {
      if (row.call !== call) throw reused();
      return { answer: row.answer as Answer, replayed: true };
    }
    const prepared = await prepare().catch(asFault);
    if (prepared instanceof Fault) {
      // Another call with this very key may have taken the last of what is missing here: its answer comes first.
      if (key !== undefined && !(await isUnchanged(store, key, stored))) continue;
      throw prepared;
    }
    const { writes, answer } = prepared;
    // A row that has run out but is not swept yet is taken over.
    const when = stored === undefined ? ("absent" as const) : { rev: stored.rev };
    const remember: Write[] =
      key === undefined
        ? []
        : [
            {
              op: "put",
              when,
              item: idempotencyItem(key, {
                kind: "idempotency",
                expiresAt: clock.now() + KEPT_MS,
                call,
                answer,
              }),
            },
          ];
    const committed = await store.transact([...writes, ...remember]);
    if (committed.ok) return { answer, replayed: false };
    await clock.sleep(1 + ((entropy(1)[0] ?? 0) % JITTER_MS_MAX));
  }
  throw new Fault("busy", "store_busy", "Too much is happening at once; please repeat the call.");
}

function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  throw error;
}

async function isUnchanged(store: Store, key: Key, before: Item | undefined): Promise<boolean> {
  return (await store.get(key))?.rev === before?.rev;
}

function idempotencyKey(org: string, key: string): Key {
  return { pk: `IDEM#${org}#${key}`, sk: "IDEM" };
}

function idempotencyItem(key: Key, row: IdempotencyRow): Draft {
  const due = {
    pk: duePartition("retention", shardOf(key.pk, INDEX_SHARDS)),
    sk: `${timeKey(row.expiresAt)}#${key.pk}`,
  };
  return { ...key, body: row, indexes: { due } };
}

function reused(): Fault {
  return new Fault(
    "input",
    "idempotency_reused",
    "This Idempotency-Key was used for another call; take a new key.",
  );
}
