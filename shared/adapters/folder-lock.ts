import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Fault } from "../domain/fault.ts";

/**
 * Holds a folder for this process alone, until released or until the process ends in whatever way: the operating
 * system drops the lock with it, so `kill -9` leaves nothing to clean up.
 * @returns the release. @throws Fault conflict `data_busy`; input `data_unwritable`.
 */
export async function lockFolder(folder: string): Promise<() => void> {
  try {
    await mkdir(folder, { recursive: true });
    const database = new DatabaseSync(join(folder, "lock.db"), { timeout: 0 });
    try {
      database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      throw new Fault(
        "conflict",
        "data_busy",
        `Another PhotoKeep is using ${folder}; use that one, or choose another folder with --data DIR.`,
        { cause: error },
      );
    }
    return () => database.close();
  } catch (error) {
    if (error instanceof Fault) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new Fault(
      "input",
      "data_unwritable",
      `The data folder ${folder} cannot be used (${code ?? "unknown"}); choose another with --data DIR.`,
      { cause: error },
    );
  }
}
