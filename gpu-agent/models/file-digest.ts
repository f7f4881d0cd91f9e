import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, mkdir, open, rename } from "node:fs/promises";
import type { Stats } from "node:fs";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";

/** Lower-case hexadecimal SHA-256 of a file, read in pieces. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest("hex");
}

/** A file as it lies there, or why it may not be used. Links are not followed: what we wrote is never one. */
export type FileState = { kind: "absent" } | { kind: "odd"; why: string } | { kind: "plain"; stats: Stats };

export async function fileState(path: string): Promise<FileState> {
  let stats: Stats;
  try {
    stats = await lstat(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return { kind: "absent" };
    throw error;
  }
  if (stats.isSymbolicLink()) return { kind: "odd", why: "it is a symbolic link" };
  if (!stats.isFile()) return { kind: "odd", why: "it is not a file" };
  // A second name would let somebody change the bytes from outside the folder.
  if (stats.nlink > 1) return { kind: "odd", why: "it has a second name elsewhere (hard link)" };
  return { kind: "plain", stats };
}

/** Moves a finished file into place: its bytes reach the disk before its name does. */
export async function moveIntoPlace(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const handle = await open(from, "r+");
  await handle.sync();
  await handle.close();
  await rename(from, to);
}
