import { open } from "node:fs/promises";
import { Fault } from "../domain/fault.ts";

/** Waits until a file, or a folder's list of names, is on the disk itself. */
export async function syncToDisk(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

/** What `error` means to the caller: a full disk is a Fault, everything else stays as it is. */
export function diskFault(error: unknown): unknown {
  if (!hasCode(error, "ENOSPC", "EDQUOT")) return error;
  return new Fault("busy", "disk_full", "The disk is full; free some space and try again.", { cause: error });
}
