import { setTimeout as sleep } from "node:timers/promises";
import { lockFolder } from "#shared/adapters/folder-lock.ts";
import { Fault } from "#shared/domain/fault.ts";

const TRY_AGAIN_MS = 100;
/** Longer than any installation takes. */
const WAIT_MS = 20 * 60_000;

/**
 * Works in a folder alone: another command on it is waited for, and one that died holds nothing.
 * @throws Fault busy `emulators_busy` after twenty minutes; input `folder_unwritable`.
 */
export async function inFolderAlone<T>(
  folder: string,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const release = await hold(folder, signal);
  try {
    return await work();
  } finally {
    release();
  }
}

async function hold(folder: string, signal: AbortSignal): Promise<() => void> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return await lockFolder(folder);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code !== "data_busy")
        throw new Fault(
          "input",
          "folder_unwritable",
          `The folder ${folder} cannot be written; choose others with --dir DIR and --state DIR.`,
          { cause: error },
        );
      if (performance.now() > deadline)
        throw new Fault(
          "busy",
          "emulators_busy",
          `Another command has held ${folder} for long; end it first.`,
        );
    }
    await sleep(TRY_AGAIN_MS, undefined, { signal });
  }
}
