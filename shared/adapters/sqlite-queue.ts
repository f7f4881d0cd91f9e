import type { Clock, Delivery, Queue } from "../ports.ts";
import { createBell } from "./bell.ts";
import {
  type Ask,
  checkAsk,
  checkMessages,
  checkVisibility,
  NO_GROUP,
  pollQueue,
  readReceipt,
  receiptOf,
} from "./queue-rules.ts";
import {
  openSqliteDatabase,
  type Prepare,
  type SqliteDatabase,
  type SqliteOptions,
} from "./sqlite-database.ts";

/**
 * `turn` orders the groups of a queue by when they were last served; it holds exactly the groups that have messages. Its
 * numbers are unique, so that picking the next message walks two indexes and sorts nothing.
 */
const SCHEMA: readonly string[] = [
  `CREATE TABLE message (
     queue TEXT NOT NULL, id TEXT NOT NULL, fairness TEXT NOT NULL, body TEXT NOT NULL,
     receives INTEGER NOT NULL, visible_at INTEGER NOT NULL,
     PRIMARY KEY (queue, id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX message_of_group ON message (queue, fairness, visible_at, id);
   CREATE INDEX message_due ON message (queue, visible_at);
   CREATE TABLE turn (
     queue TEXT NOT NULL, fairness TEXT NOT NULL, turn INTEGER NOT NULL,
     PRIMARY KEY (queue, fairness)
   ) STRICT, WITHOUT ROWID;
   CREATE UNIQUE INDEX turn_order ON turn (queue, turn);`,
];

/** How soon a message sent by another process is seen. */
const POLL_MS = 15;
/** Messages given up within one receive; the rest follows with the next. */
const BURIALS_MAX = 100;

export interface SqliteQueueOptions extends Omit<SqliteOptions, "schema"> {
  /** Several queues may share a file. */
  readonly name: string;
  readonly clock: Clock;
  /** The queue in the same file to which a message goes instead of being delivered more than `maxReceives` times. */
  readonly deadLetters?: { readonly name: string; readonly maxReceives: number };
}

export interface SqliteQueue extends Queue, Pick<SqliteDatabase, "check" | "close">, AsyncDisposable {}

/**
 * A Queue on an SQLite file of its own, shared by all processes of a machine: whoever opens it gets no other data.
 * @throws what `openSqliteDatabase` throws.
 */
export async function openSqliteQueue(options: SqliteQueueOptions): Promise<SqliteQueue> {
  const { name, clock, entropy, deadLetters } = options;
  const database = await openSqliteDatabase({ ...options, schema: SCHEMA });
  const bell = createBell(clock);

  /** Takes messages for one receiver; looks at the table only when something may have changed since its last look. */
  function createTaker(ask: Ask, signal: AbortSignal | undefined) {
    let version = -1;
    let rings = -1;
    let dueAt = -Infinity;
    async function take(): Promise<readonly Delivery[]> {
      const current = await database.dataVersion();
      if (current === version && bell.rings() === rings && clock.now() < dueAt) return [];
      version = current;
      rings = bell.rings();
      dueAt = await database.read((prepare) => nextDue(prepare, name));
      if (clock.now() < dueAt) return [];
      return database.write((prepare) => {
        signal?.throwIfAborted();
        return deliver(prepare, { ...ask, name, now: clock.now(), deadLetters });
      });
    }

    function restMs(): number {
      const untilDueMs = dueAt - clock.now();
      return untilDueMs > 0 ? Math.min(POLL_MS, untilDueMs) : POLL_MS;
    }

    return { take, restMs };
  }

  return {
    async send(messages) {
      checkMessages(messages);
      const ids = messages.map(() => Buffer.from(entropy(16)).toString("hex"));
      await database.write((prepare) => {
        const now = clock.now();
        for (const [i, { body, group = NO_GROUP, delayMs = 0 }] of messages.entries()) {
          insert(prepare, {
            queue: name,
            id: ids[i] ?? "",
            group,
            body,
            visibleAt: now + Math.ceil(delayMs),
          });
        }
      });
      bell.ring();
    },

    async receive(ask, signal) {
      checkAsk(ask);
      return pollQueue({ clock, bell, ...createTaker(ask, signal) }, ask.waitMs, signal);
    },

    async extend(receipts, visibilityMs) {
      checkVisibility(visibilityMs);
      await database.write((prepare) => {
        const visibleAt = clock.now() + Math.ceil(visibilityMs);
        for (const { id, receives } of receipts.flatMap((receipt) => readReceipt(receipt) ?? [])) {
          prepare("UPDATE message SET visible_at = ? WHERE queue = ? AND id = ? AND receives = ?").run(
            visibleAt,
            name,
            id,
            receives,
          );
        }
      });
      bell.ring();
    },

    async delete(receipts) {
      await database.write((prepare) => {
        for (const { id, receives } of receipts.flatMap((receipt) => readReceipt(receipt) ?? [])) {
          const key = [name, id, receives] as const;
          const row = prepare("SELECT fairness FROM message WHERE queue = ? AND id = ? AND receives = ?").get(
            ...key,
          );
          if (row !== undefined) remove(prepare, { queue: name, id, group: String(row["fairness"]) });
        }
      });
    },

    check: () => database.check(),
    close: () => database.close(),
    [Symbol.asyncDispose]: () => database.close(),
  };
}

function nextDue(prepare: Prepare, queue: string): number {
  const row = prepare("SELECT min(visible_at) AS due_at FROM message WHERE queue = ?").get(queue);
  return typeof row?.["due_at"] === "number" ? row["due_at"] : Infinity;
}

interface Order extends Ask {
  readonly name: string;
  readonly now: number;
  readonly deadLetters: SqliteQueueOptions["deadLetters"];
}

/** Hands out up to `max` visible messages: each from the group served longest ago. */
function deliver(prepare: Prepare, order: Order): readonly Delivery[] {
  const { name, now, deadLetters } = order;
  const taken: Delivery[] = [];
  for (let buried = 0; taken.length < order.max && buried < BURIALS_MAX;) {
    const row = prepare(
      `SELECT id, message.fairness, body, receives FROM turn
       CROSS JOIN message ON message.queue = turn.queue AND message.fairness = turn.fairness
       WHERE turn.queue = ? AND visible_at <= ? ORDER BY turn, visible_at, id LIMIT 1`,
    ).get(name, now);
    if (row === undefined) break;
    const letter = { id: String(row["id"]), group: String(row["fairness"]), body: String(row["body"]) };
    const receives = Number(row["receives"]) + 1;
    if (deadLetters !== undefined && receives > deadLetters.maxReceives) {
      remove(prepare, { ...letter, queue: name });
      insert(prepare, { ...letter, queue: deadLetters.name, visibleAt: now });
      buried += 1;
      continue;
    }
    prepare("UPDATE message SET receives = ?, visible_at = ? WHERE queue = ? AND id = ?").run(
      receives,
      now + Math.ceil(order.visibilityMs),
      name,
      letter.id,
    );
    prepare(
      `UPDATE turn SET turn = (SELECT max(turn) + 1 FROM turn WHERE queue = ?1) WHERE queue = ?1 AND fairness = ?2`,
    ).run(name, letter.group);
    taken.push(deliveryOf(letter, receives));
  }
  return taken;
}

function deliveryOf(letter: { id: string; group: string; body: string }, receives: number): Delivery {
  const { id, group, body } = letter;
  return { id, body, receives, receipt: receiptOf(id, receives), ...(group !== NO_GROUP && { group }) };
}

function insert(
  prepare: Prepare,
  letter: { queue: string; id: string; group: string; body: string; visibleAt: number },
): void {
  const { queue, id, group, body, visibleAt } = letter;
  prepare(
    "INSERT INTO message (queue, id, fairness, body, receives, visible_at) VALUES (?, ?, ?, ?, 0, ?)",
  ).run(queue, id, group, body, visibleAt);
  prepare(
    `INSERT OR IGNORE INTO turn (queue, fairness, turn)
     SELECT ?1, ?2, coalesce(max(turn), 0) + 1 FROM turn WHERE queue = ?1`,
  ).run(queue, group);
}

function remove(prepare: Prepare, { queue, id, group }: { queue: string; id: string; group: string }): void {
  prepare("DELETE FROM message WHERE queue = ? AND id = ?").run(queue, id);
  prepare(
    `DELETE FROM turn WHERE queue = ?1 AND fairness = ?2
     AND NOT EXISTS (SELECT 1 FROM message WHERE queue = ?1 AND fairness = ?2)`,
  ).run(queue, group);
}
