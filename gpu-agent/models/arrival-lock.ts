import { readFile, rm, writeFile } from "node:fs/promises";
import { pid } from "node:process";
import { Fault } from "#shared/domain/fault.ts";
import { isAlive } from "../process-life.ts";

/**
 * Holds a download for this process: `<path>.lock` with its process id. A lock whose process is gone is taken over.
 *
 * Throws Fault `download_locked` while another process of this machine holds it.
 */
export async function lockArrival(path: string): Promise<AsyncDisposable> {
  const lock = `${path}.lock`;
  if (!(await create(lock))) {
    const holder = Number.parseInt(await readFile(lock, "latin1").catch(() => ""), 10);
    // A lock that is still empty belongs to a process that has just created it.
    if (Number.isNaN(holder) || isAlive(holder)) throw locked(path, holder);
    await rm(lock, { force: true });
    if (!(await create(lock))) throw locked(path, holder);
  }
  return { [Symbol.asyncDispose]: () => rm(lock, { force: true }) };
}

async function create(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function locked(path: string, holder: number): Fault {
  const message = `Another process (${holder}) is fetching this model. Wait for it; if there is none, remove ${path}.lock.`;
  return new Fault("busy", "download_locked", message);
}
