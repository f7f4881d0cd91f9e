import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, link, open, rm } from "node:fs/promises";
import { hasCode } from "./durable-file.ts";

/** Where linking is not possible: another device, a foreign file, too many links, a file system without them. */
const NO_LINK = ["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "ENOSYS"] as const;
const READ_CHUNK_BYTES = 1024 * 1024;

/**
 * Gives a file a second name, or where the device cannot, a copy under it.
 * @throws EEXIST when the name is taken: nothing is ever overwritten.
 */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!hasCode(error, ...NO_LINK)) throw error;
    try {
      await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    } catch (copyError) {
      if (!hasCode(copyError, "EEXIST")) await rm(to, { force: true });
      throw copyError;
    }
  }
}

/** The SHA-256 (hex) of a file, read piece by piece. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await using handle = await open(path, "r");
  const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(chunk.subarray(0, bytesRead));
  }
}
