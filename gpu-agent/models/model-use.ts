import { lstat, mkdir, open, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { Sha256 } from "#shared/domain/model.ts";
import { preparedKey } from "./prepared-key.ts";

/** One empty file per model, named by its digest; its time is that of the last use. */
const USED_FOLDER = "used";

/** What a store that may not be written to, or not any more, answers. */
const UNWRITABLE = new Set(["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT", "ENOENT"]);

/**
 * Notes that a model is being used now. Neither its file nor the files of its prepared form are touched: their times
 * say that they are unchanged (prepared-model.ts, model-files.ts). A prepared form has a time of its own, its folder's,
 * because forms for other runtimes and processors may lie beside it.
 *
 * Where nothing can be written nothing is noted: then the time of its arrival counts.
 */
export async function noteUse(dir: string, sha256: string): Promise<void> {
  const now = new Date();
  try {
    await mkdir(join(dir, USED_FOLDER), { recursive: true });
    await using marker = await open(markerOf(dir, sha256), "a");
    await marker.utimes(now, now);
    await utimes(join(dir, "prepared", preparedKey(sha256)), now, now);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && UNWRITABLE.has(String(error.code)))) throw error;
  }
}

/** When a model was last noted as used, in milliseconds since 1970; 0 where it never was. */
export async function lastNotedMs(dir: string, sha256: string): Promise<number> {
  return (await lstat(markerOf(dir, sha256)).catch(() => undefined))?.mtimeMs ?? 0;
}

/** For a model that has left the store. */
export async function forgetUse(dir: string, sha256: string): Promise<void> {
  await rm(markerOf(dir, sha256), { force: true });
}

function markerOf(dir: string, sha256: string): string {
  return join(dir, USED_FOLDER, Sha256.parse(sha256));
}
