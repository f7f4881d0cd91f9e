import type { Clock, Committed, Item, Key, Range, Store, StoreScan } from "../ports.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import {
  openSqliteDatabase,
  type Prepare,
  type SqliteDatabase,
  type SqliteOptions,
} from "./sqlite-database.ts";
import {
  checkKey,
  checkScan,
  digestOf,
  interval,
  outcome,
  permits,
  type Planned,
  planTransaction,
  type Standing,
  TOKEN_TTL_MS,
  tokenReused,
} from "./store-rules.ts";

/** A sparse index is the table `nomination`: one row per entry. */
const SCHEMA: readonly string[] = [
  `CREATE TABLE item (
     pk TEXT NOT NULL, sk TEXT NOT NULL, rev INTEGER NOT NULL,
     counters TEXT NOT NULL, indexes TEXT NOT NULL, body TEXT NOT NULL,
     PRIMARY KEY (pk, sk)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE nomination (
     name TEXT NOT NULL, index_pk TEXT NOT NULL, index_sk TEXT NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL,
     PRIMARY KEY (name, index_pk, index_sk, pk, sk)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE token (
     token TEXT NOT NULL PRIMARY KEY, digest TEXT NOT NULL, expires_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX token_expiry ON token (expires_at);`,
];

/** Expired tokens dropped with each new one: more than come in, so that the table stays small. */
const TOKENS_DROPPED = 4;

interface Row {
  readonly standing: Standing;
  /** JSON. */
  readonly indexes: string;
}

export interface SqliteStore
  extends Store, StoreScan, Pick<SqliteDatabase, "check" | "close">, AsyncDisposable {}

/**
 * The Store on one SQLite file, shared by all processes of a machine.
 * @throws what `openSqliteDatabase` throws.
 */
export async function openSqliteStore(
  options: Omit<SqliteOptions, "schema"> & { readonly clock: Clock },
): Promise<SqliteStore> {
  const { clock } = options;
  const database = await openSqliteDatabase({ ...options, schema: SCHEMA });

  return {
    check: () => database.check(),
    close: () => database.close(),
    [Symbol.asyncDispose]: () => database.close(),

    async get(key) {
      checkKey(key);
      const row = await database.read((prepare) => {
        return prepare("SELECT * FROM item WHERE pk = ? AND sk = ?").get(key.pk, key.sk);
      });
      return row && itemOf(row);
    },

    async transact(writes, token) {
      const planned = planTransaction(writes, token);
      const digest = token === undefined ? "" : digestOf(writes);
      return database.write((prepare): Committed => {
        const now = clock.now();
        if (token !== undefined && recall(prepare, { token, digest, now })) return { ok: true };
        const rows = planned.map(({ key }) => find(prepare, key));
        const refused = planned.map(({ write }, i) => !permits(write, rows[i]?.standing));
        if (refused.includes(true))
          return { ok: false, refusals: refused.map((no) => (no ? "condition" : undefined)) };
        for (const [i, plan] of planned.entries()) perform(prepare, plan, rows[i]);
        if (token !== undefined) remember(prepare, { token, digest, now });
        return { ok: true };
      });
    },

    async list(pk, range) {
      const [after] = range.cursor === undefined ? [] : decodeCursor(range.cursor, 1);
      const { low, high } = interval(
        range,
        after === undefined ? undefined : { sk: after, inclusive: false },
      );
      const rows = await database.read((prepare) => {
        const order = orderOf(range);
        return prepare(
          `SELECT * FROM item WHERE pk = ? AND sk >= ? AND sk < ? ORDER BY sk ${order} LIMIT ?`,
        ).all(pk, low, high, range.limit + 1);
      });
      return pageOf(rows, range.limit, { show: itemOf, position: (row) => [String(row["sk"])] });
    },

    async nominate(index, pk, range) {
      const after = range.cursor === undefined ? undefined : decodeCursor(range.cursor, 3);
      const { low, high } = interval(range, after && { sk: after[0] ?? "", inclusive: true });
      const [at, itemPk, itemSk] = after ?? [range.newestFirst === true ? high : low, "", ""];
      const rows = await database.read((prepare) => {
        return prepare(
          `SELECT index_sk, pk, sk FROM nomination
           WHERE name = ? AND index_pk = ? AND index_sk >= ? AND index_sk < ?
             AND (index_sk, pk, sk) ${range.newestFirst === true ? "<" : ">"} (?, ?, ?)
           ORDER BY index_sk ${orderOf(range)}, pk ${orderOf(range)}, sk ${orderOf(range)} LIMIT ?`,
        ).all(index, pk, low, high, at ?? "", itemPk ?? "", itemSk ?? "", range.limit + 1);
      });
      const nominations = rows.map((row) => ({
        pk: String(row["pk"]),
        sk: String(row["sk"]),
        at: String(row["index_sk"]),
      }));
      return pageOf(nominations, range.limit, {
        show: (row) => row,
        position: (row) => [row.at, row.pk, row.sk],
      });
    },

    async scan(range) {
      checkScan(range);
      if (range.part !== undefined && range.part.index > 0) return { rows: [] };
      const [pk, sk] = range.cursor === undefined ? ["", ""] : decodeCursor(range.cursor, 2);
      const rows = await database.read((prepare) => {
        return prepare("SELECT * FROM item WHERE (pk, sk) > (?, ?) ORDER BY pk, sk LIMIT ?").all(
          pk ?? "",
          sk ?? "",
          range.limit + 1,
        );
      });
      return pageOf(rows, range.limit, {
        show: itemOf,
        position: (row) => [String(row["pk"]), String(row["sk"])],
      });
    },
  };
}

function orderOf(range: Range): "ASC" | "DESC" {
  return range.newestFirst === true ? "DESC" : "ASC";
}

function itemOf(row: Readonly<Record<string, unknown>>): Item {
  return {
    pk: String(row["pk"]),
    sk: String(row["sk"]),
    rev: Number(row["rev"]),
    body: JSON.parse(String(row["body"])) as unknown,
    counters: countersOf(row),
    indexes: indexesOf(String(row["indexes"])),
  };
}

// Rows are what `perform` wrote: they need no second look.
function countersOf(row: Readonly<Record<string, unknown>>): Item["counters"] {
  return JSON.parse(String(row["counters"])) as Item["counters"];
}

function indexesOf(text: string): Item["indexes"] {
  return JSON.parse(text) as Item["indexes"];
}

function find(prepare: Prepare, key: Key): Row | undefined {
  const row = prepare("SELECT rev, counters, indexes FROM item WHERE pk = ? AND sk = ?").get(key.pk, key.sk);
  if (row === undefined) return undefined;
  const counters = countersOf(row);
  return { standing: { rev: Number(row["rev"]), counters }, indexes: String(row["indexes"]) };
}

function perform(prepare: Prepare, { write, key, draft }: Planned, row: Row | undefined): void {
  const next = outcome(write, row?.standing);
  if (next === row?.standing) return;
  if (next === undefined) {
    renominate(prepare, key, { from: row?.indexes ?? "{}", to: "{}" });
    prepare("DELETE FROM item WHERE pk = ? AND sk = ?").run(key.pk, key.sk);
  } else if (draft === undefined) {
    const counters = JSON.stringify(next.counters);
    prepare("UPDATE item SET counters = ? WHERE pk = ? AND sk = ?").run(counters, key.pk, key.sk);
  } else {
    const indexes = JSON.stringify(draft.indexes);
    renominate(prepare, key, { from: row?.indexes ?? "{}", to: indexes });
    prepare(
      "INSERT OR REPLACE INTO item (pk, sk, rev, counters, indexes, body) VALUES (?, ?, ?, ?, ?, ?)",
    ).run(key.pk, key.sk, next.rev, JSON.stringify(next.counters), indexes, draft.body);
  }
}

/** Moves an item's entries from its old indexes to its new ones, both as JSON. */
function renominate(
  prepare: Prepare,
  key: Key,
  indexes: { readonly from: string; readonly to: string },
): void {
  if (indexes.from === indexes.to) return;
  const remove = prepare(
    "DELETE FROM nomination WHERE name = ? AND index_pk = ? AND index_sk = ? AND pk = ? AND sk = ?",
  );
  for (const [name, entry] of Object.entries(indexesOf(indexes.from))) {
    remove.run(name, entry.pk, entry.sk, key.pk, key.sk);
  }
  const insert = prepare("INSERT INTO nomination (name, index_pk, index_sk, pk, sk) VALUES (?, ?, ?, ?, ?)");
  for (const [name, entry] of Object.entries(indexesOf(indexes.to))) {
    insert.run(name, entry.pk, entry.sk, key.pk, key.sk);
  }
}

interface Use {
  readonly token: string;
  readonly digest: string;
  readonly now: number;
}

/** @returns true when the same transaction was committed under this token before. */
function recall(prepare: Prepare, { token, digest, now }: Use): boolean {
  const known = prepare("SELECT digest FROM token WHERE token = ? AND expires_at > ?").get(token, now);
  if (known !== undefined && known["digest"] !== digest) throw tokenReused();
  return known !== undefined;
}

function remember(prepare: Prepare, { token, digest, now }: Use): void {
  prepare(
    "DELETE FROM token WHERE token IN (SELECT token FROM token WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
  ).run(now, TOKENS_DROPPED);
  prepare("INSERT OR REPLACE INTO token (token, digest, expires_at) VALUES (?, ?, ?)").run(
    token,
    digest,
    now + TOKEN_TTL_MS,
  );
}
