import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { Fault } from "../domain/fault.ts";
import type { Entropy } from "../ports.ts";

/** Gives the prepared statement for a text; each text is compiled once per connection. */
export type Prepare = (sql: string) => StatementSync;

export interface SqliteOptions {
  readonly path: string;
  /** The n-th script lifts the schema from version n to n + 1. Scripts are only ever appended. */
  readonly schema: readonly string[];
  /** Jitters the waiting for other writers. */
  readonly entropy: Entropy;
  /**
   * What a commit survives. "process" (WAL, synchronous NORMAL): `kill -9` of everything. "power" (FULL): loss of power
   * too, at about a third of the speed.
   */
  readonly survives?: "process" | "power";
  /** Writes that would grow the file beyond it fail as `disk_full`. */
  readonly bytesMax?: number;
  /** How long a call waits for other writers before it fails as `store_busy`. */
  readonly busyMs?: number;
}

/** One connection to a database file that several processes share. */
export interface SqliteDatabase extends AsyncDisposable {
  /**
   * Runs one reading statement. `work` may be called again when another process holds the file for an instant.
   * @throws Fault busy `store_busy`; conflict `database_damaged`.
   */
  read<T>(work: (prepare: Prepare) => T): Promise<T>;
  /**
   * Runs `work` in one write transaction: all of it, or none if it throws. It is synchronous, so nothing of this
   * process comes in between, and called again only if nothing of it was committed.
   * @throws Fault busy `store_busy`, busy `disk_full`; conflict `database_damaged`.
   */
  write<T>(work: (prepare: Prepare) => T): Promise<T>;
  /** Changes whenever another connection has committed; cheap enough to poll. */
  dataVersion(): Promise<number>;
  /** What SQLite's `quick_check` finds wrong; empty when the file is sound. */
  check(): Promise<readonly string[]>;
  /** Calls that still wait for their turn fail. Idempotent. */
  close(): Promise<void>;
}

/** An item of a few kilobytes lies within its page; at 4 KiB reads take almost twice as long. */
const PAGE_BYTES = 8_192;
const CACHE_KIB = 16_384;
const WAL_BYTES_KEPT = 64 * 1024 * 1024;
const BUSY_MS = 5_000;
const JITTER_MS_MAX = 16;

/**
 * Opens or creates the file and lifts its schema to the newest version.
 *
 * SQLite's own busy handler sleeps on the event loop and lets processes starve for seconds, so it is off: a busy call
 * is repeated after 1–16 ms of jitter instead.
 * @throws Fault conflict `schema_newer`; input `folder_unsupported` where write-ahead logging cannot work.
 */
export async function openSqliteDatabase(options: SqliteOptions): Promise<SqliteDatabase> {
  const { path, schema, entropy, survives = "process", bytesMax, busyMs = BUSY_MS } = options;
  const database = new DatabaseSync(path, { timeout: 0 });
  const statements = new Map<string, StatementSync>();

  const prepare: Prepare = (sql) => {
    const cached = statements.get(sql);
    if (cached !== undefined) return cached;
    const statement = database.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };

  function transaction<T>(work: (prepare: Prepare) => T): T {
    prepare("BEGIN IMMEDIATE").run();
    try {
      const result = work(prepare);
      prepare("COMMIT").run();
      return result;
    } catch (error) {
      if (database.isTransaction) prepare("ROLLBACK").run();
      throw error;
    }
  }

  async function patiently<T>(attempt: () => T): Promise<T> {
    const startedAt = performance.now();
    for (;;) {
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error)) throw translated(error);
        if (performance.now() - startedAt > busyMs) {
          throw new Fault("busy", "store_busy", "The database is busy; try again in a moment.", {
            cause: error,
          });
        }
      }
      await setTimeout(1 + ((entropy(1)[0] ?? 0) % JITTER_MS_MAX));
    }
  }

  function version(): number {
    return Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  }

  function configure(): void {
    if (version() > schema.length) {
      throw new Fault(
        "conflict",
        "schema_newer",
        "The data was written by a newer version; update PhotoKeep.",
        {
          details: { path, version: version(), known: schema.length },
        },
      );
    }
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
    if (database.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"] !== "wal") {
      throw new Fault("input", "folder_unsupported", "The data folder must lie on a local disk.", {
        details: { path },
      });
    }
    database.exec(`
      PRAGMA synchronous = ${survives === "power" ? "FULL" : "NORMAL"};
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA journal_size_limit = ${WAL_BYTES_KEPT};
    `);
    if (bytesMax !== undefined) database.exec(`PRAGMA max_page_count = ${Math.ceil(bytesMax / PAGE_BYTES)}`);
  }

  function upgrade(): void {
    for (const script of schema.slice(version())) database.exec(script);
    database.exec(`PRAGMA user_version = ${schema.length}`);
  }

  async function close(): Promise<void> {
    statements.clear();
    if (database.isOpen) database.close();
  }

  try {
    await patiently(configure);
    await patiently(() => version() < schema.length && transaction(upgrade));
  } catch (error) {
    await close();
    throw error;
  }

  return {
    read: (work) => patiently(() => work(prepare)),
    write: (work) => patiently(() => transaction(work)),
    dataVersion: () => patiently(() => Number(prepare("PRAGMA data_version").get()?.["data_version"])),
    check: () => patiently(() => quickCheck(prepare)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

// Primary result codes, https://www.sqlite.org/rescode.html; the upper bits of `errcode` hold the details.
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
/** The shared-memory file could not grow: the other face of a full disk. */
const SQLITE_IOERR_SHMSIZE = 4_874;

function quickCheck(prepare: Prepare): readonly string[] {
  try {
    const rows = prepare("PRAGMA quick_check").all();
    return rows.map((row) => String(row["quick_check"])).filter((line) => line !== "ok");
  } catch (error) {
    // Damage can be such that the check itself stumbles over it.
    if ((errcodeOf(error) & 0xff) === SQLITE_CORRUPT) return [String(error)];
    throw error;
  }
}

function errcodeOf(error: unknown): number {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) : 0;
}

function isBusy(error: unknown): boolean {
  const primary = errcodeOf(error) & 0xff;
  return primary === SQLITE_BUSY || primary === SQLITE_LOCKED;
}

function translated(error: unknown): unknown {
  const code = errcodeOf(error);
  const primary = code & 0xff;
  if (primary === SQLITE_FULL || code === SQLITE_IOERR_SHMSIZE) {
    return new Fault("busy", "disk_full", "The disk is full; free some space and try again.", {
      cause: error,
    });
  }
  if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB) {
    return new Fault("conflict", "database_damaged", "The database is damaged; restore it from a copy.", {
      cause: error,
    });
  }
  return error;
}
