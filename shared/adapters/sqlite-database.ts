import { statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { Fault, invariant } from "../domain/fault.ts";
import type { Entropy } from "../ports.ts";
import { damagedFile, isBusy, isDamage, sqliteFault } from "./sqlite-fault.ts";

/** Gives the prepared statement for a text; each text is compiled once per connection. */
export type Prepare = (sql: string) => StatementSync;

export interface SqliteOptions {
  readonly path: string;
  /** The n-th script lifts the schema from version n to n + 1. Scripts are only ever appended. */
  readonly schema: readonly string[];
  /** Jitters the waiting for other writers. */
  readonly entropy: Entropy;
  /**
   * What a commit survives. "process" (WAL, synchronous NORMAL): `kill -9` of everything; a loss of power may take the
   * last commits, never a part of one, and leaves the file sound. "power" (FULL, an fsync with every commit): that too,
   * at about a third of the speed.
   */
  readonly survives?: "process" | "power";
  /** Writes that would grow the file beyond it fail as `disk_full`. */
  readonly bytesMax?: number;
  /** How long a call waits for other writers before it fails as `store_busy`. */
  readonly busyMs?: number;
  /** Opens a file that is there, and changes nothing of it. Whoever works with it goes on undisturbed. */
  readonly readOnly?: true;
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
  /** What SQLite's `integrity_check` finds wrong, ten findings at most; empty when the file is sound. */
  check(): Promise<readonly string[]>;
  /** Calls that still wait for their turn fail. Idempotent. */
  close(): Promise<void>;
}

/** An item of a few kilobytes lies within its page; at 4 KiB reads take almost twice as long. */
const PAGE_BYTES = 8_192;
const CACHE_KIB = 16_384;
/** A longer write-ahead log is copied into the file: about 10 ms on a solid-state disk. */
const WAL_BYTES = 8 * 1024 * 1024;
const BUSY_MS = 5_000;
/** Between two tries of a call that found the file busy. */
const JITTER_MS_MAX = 4;
/** How long a process may keep its event loop, and with it the file, before it pauses and others have their turn. */
const SLICE_MS = 8;
const SLICE_PAUSE_MS = 1;

/**
 * Opens or creates the file, checks that it is sound, and lifts its schema to the newest version.
 *
 * One writer at a time, whichever process it is in. The writers of one process stand in line, and the first of them
 * alone asks for the file: SQLite's own busy handler would sleep on the event loop and let processes starve for
 * seconds, so it is off, and a try that finds the file busy is repeated after 1–4 ms of jitter. No process is starved,
 * because each one pauses after 8 ms of work; it is the same pause that lets its event loop turn.
 * @throws Fault conflict `schema_newer`, `database_damaged`; input `folder_unsupported` where write-ahead logging
 * cannot work; busy `store_busy`, `disk_full`. Read only also: conflict `schema_older`; missing `database_missing`.
 */
export async function openSqliteDatabase(options: SqliteOptions): Promise<SqliteDatabase> {
  const { path, schema, entropy, survives = "process", bytesMax, busyMs = BUSY_MS } = options;
  const readOnly = options.readOnly === true;
  if (readOnly) demandFile(path);
  const database = new DatabaseSync(path, { timeout: 0, readOnly });
  const statements = new Map<string, StatementSync>();
  const line = createLine();
  let busySince: number | undefined;

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

  /**
   * Lets the log begin anew once it is long. SQLite's automatic checkpoint does not stop other writers: while several
   * are at work it never catches up with them, and the log grows to hundreds of megabytes.
   */
  function shortenLog(): void {
    // `journal_size_limit` cuts the log to WAL_BYTES when it begins anew, so a longer one is due.
    const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
    if (log === undefined || log.size <= WAL_BYTES) return;
    try {
      prepare("PRAGMA wal_checkpoint(RESTART)").get();
    } catch {
      // What was to be written is committed. If the file has no room for it yet, the log keeps it, and the next commit tries again.
    }
  }

  /** Milliseconds since this process first touched the file in this turn of its event loop. */
  function keptMs(): number {
    const now = performance.now();
    if (busySince === undefined) {
      busySince = now;
      setImmediate(() => (busySince = undefined));
    }
    return now - busySince;
  }

  /** @param startedAt when the caller came. */
  async function patiently<T>(attempt: () => T, startedAt = performance.now()): Promise<T> {
    for (;;) {
      if (keptMs() > SLICE_MS) await setTimeout(SLICE_PAUSE_MS);
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error)) throw sqliteFault(error, path);
        if (performance.now() - startedAt > busyMs) {
          throw new Fault("busy", "store_busy", "The database is busy; try again in a moment.", {
            cause: error,
          });
        }
      }
      await setTimeout(1 + ((entropy(1)[0] ?? 0) % JITTER_MS_MAX));
    }
  }

  async function write<T>(work: (prepare: Prepare) => T): Promise<T> {
    invariant(!readOnly, "a database opened to be read is not written");
    const startedAt = performance.now();
    return line(async () => {
      const result = await patiently(() => transaction(work), startedAt);
      shortenLog();
      return result;
    });
  }

  function version(): number {
    return Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  }

  function checkVersion(): void {
    const found = version();
    if (found <= schema.length) return;
    throw new Fault(
      "conflict",
      "schema_newer",
      `The database ${path} was written by a newer version: update PhotoKeep, or take another data folder.`,
      { details: { found, known: schema.length } },
    );
  }

  function configure(): void {
    // Before anything is changed.
    checkVersion();
    if (readOnly) return;
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
    if (database.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"] !== "wal") {
      throw new Fault("input", "folder_unsupported", "The data folder must lie on a local disk.", {
        details: { path },
      });
    }
    database.exec(`
      PRAGMA synchronous = ${survives === "power" ? "FULL" : "NORMAL"};
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA journal_size_limit = ${WAL_BYTES};
      PRAGMA wal_autocheckpoint = 0;
    `);
    if (bytesMax !== undefined) database.exec(`PRAGMA max_page_count = ${Math.ceil(bytesMax / PAGE_BYTES)}`);
  }

  /** The scripts and the new version's number are one transaction: a crash in between leaves the old schema. */
  function lift(): void {
    if (version() === schema.length) return;
    if (readOnly) throw olderSchema(path);
    transaction(() => {
      // Another process may have lifted it since.
      checkVersion();
      for (const script of schema.slice(version())) database.exec(script);
      database.exec(`PRAGMA user_version = ${schema.length}`);
    });
  }

  async function close(): Promise<void> {
    statements.clear();
    if (database.isOpen) database.close();
  }

  try {
    await patiently(configure);
    const findings = await patiently(() => integrityCheck(prepare));
    if (findings.length > 0) throw damagedFile(path, findings);
    await patiently(lift);
  } catch (error) {
    await close();
    throw error instanceof Fault && error.code === "database_damaged"
      ? damagedFile(path, error.cause)
      : error;
  }

  return {
    read: (work) => patiently(() => work(prepare)),
    write,
    dataVersion: () => patiently(() => Number(prepare("PRAGMA data_version").get()?.["data_version"])),
    check: () => patiently(() => integrityCheck(prepare)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function demandFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return;
  throw new Fault(
    "missing",
    "database_missing",
    `There is no database ${path}; name the folder that holds it.`,
  );
}

function olderSchema(path: string): Fault {
  return new Fault(
    "conflict",
    "schema_older",
    `The database ${path} was written by an older version: start PhotoKeep on it once, which brings it up to date.`,
  );
}

/** One after the other, in the order in which they came; who finds nobody waiting begins at once. */
function createLine(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<void> | undefined;
  return async (work) => {
    const before = last;
    const { promise, resolve } = Promise.withResolvers<void>();
    last = promise;
    if (before !== undefined) await before;
    try {
      return await work();
    } finally {
      if (last === promise) last = undefined;
      resolve();
    }
  };
}

function integrityCheck(prepare: Prepare): readonly string[] {
  try {
    const rows = prepare("PRAGMA integrity_check(10)").all();
    return rows.map((row) => String(row["integrity_check"])).filter((line) => line !== "ok");
  } catch (error) {
    // Damage can be such that the check itself stumbles over it.
    if (isDamage(error)) return [String(error)];
    throw error;
  }
}
