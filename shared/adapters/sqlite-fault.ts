import { Fault } from "../domain/fault.ts";

// Primary result codes, https://www.sqlite.org/rescode.html; the upper bits of `errcode` hold the details.
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
/** The shared-memory file could not grow: the other face of a full disk. */
const SQLITE_IOERR_SHMSIZE = 4_874;

/** Whether another connection was in the way, and the call can simply be repeated. */
export function isBusy(error: unknown): boolean {
  const primary = errcodeOf(error) & 0xff;
  return primary === SQLITE_BUSY || primary === SQLITE_LOCKED;
}

export function isDamage(error: unknown): boolean {
  const primary = errcodeOf(error) & 0xff;
  return primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB;
}

/** What an error of SQLite means to the caller; one of no known meaning stays as it is. */
export function sqliteFault(error: unknown, path: string): unknown {
  const code = errcodeOf(error);
  const extra = { cause: error, details: { path } };
  if ((code & 0xff) === SQLITE_FULL || code === SQLITE_IOERR_SHMSIZE) {
    return new Fault("busy", "disk_full", "The disk is full; free some space and try again.", extra);
  }
  if (isDamage(error)) {
    return new Fault(
      "conflict",
      "database_damaged",
      "The database is damaged; restore it from a copy.",
      extra,
    );
  }
  return error;
}

/** The same for whoever opens the file: it is an operator's to mend, so the sentence names it. */
export function damagedFile(path: string, cause: unknown): Fault {
  return new Fault(
    "conflict",
    "database_damaged",
    `The database ${path} is damaged: put a copy of it back, or move it away with its -wal and -shm files to begin anew.`,
    { cause },
  );
}

function errcodeOf(error: unknown): number {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) : 0;
}
