import { type Dirent } from "node:fs";
import { link, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { hasCode, syncToDisk } from "./durable-file.ts";

/** What a key stands for. `object` names the data file. */
export const Manifest = z.object({
  key: z.string(),
  object: z.string().regex(/^[0-9a-f]{32}$/),
  bytes: z.int().min(0),
  sha256: z.string(),
  contentType: z.string(),
});
export type Manifest = z.infer<typeof Manifest>;

/** Ends a manifest's name. Keys cannot hold it, so `a` (the file `a~`) and `a/b` (in the folder `a`) live together. */
const MARK = "~";
/** A writer and deletions of the folder's last keys may cross each other; so often in a row they do not. */
const CROSSINGS_MAX = 20;

/**
 * The keys of a blob folder: one small file each, in folders as the slashes say. Creating one is a single `link`, which
 * fails when the name is taken: among any number of writers in any number of processes there is exactly one winner.
 */
export interface BlobTree {
  get(key: string): Promise<Manifest | undefined>;
  /** @returns false when the key is taken. */
  putIfAbsent(manifest: Manifest): Promise<boolean>;
  /** @returns what the key stood for. */
  take(key: string): Promise<Manifest | undefined>;
  /** Keys that start with `prefix` and come after `after`, in byte order, as they are found. */
  keys(prefix: string, after?: string): AsyncGenerator<string>;
}

/**
 * @param at.root the folder of the keys. @param at.draft names a new path on the same device for a file in the making.
 * @param at.fsync whether a key outlives a loss of power once it is put.
 */
export function createBlobTree(at: {
  readonly root: string;
  readonly draft: () => string;
  readonly fsync: boolean;
}): BlobTree {
  const { root, draft, fsync } = at;
  const pathOf = (key: string) => join(root, `${key}${MARK}`);

  /** @returns false when the path is taken. */
  async function linkAt(source: string, path: string): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        const created = await mkdir(dirname(path), { recursive: true });
        await link(source, path);
        if (fsync) await syncFolders(dirname(path), created === undefined ? dirname(path) : dirname(created));
        return true;
      } catch (error) {
        if (isTaken(error)) return false;
        // A folder on the way was empty for an instant and went with its last key.
        if (!hasCode(error, "ENOENT", "ENOTDIR", "EEXIST") || tries === CROSSINGS_MAX) throw error;
      }
    }
  }

  async function prune(folder: string): Promise<void> {
    for (let path = folder; path !== root; path = dirname(path)) {
      try {
        await rmdir(path);
      } catch (error) {
        if (hasCode(error, "ENOTEMPTY", "EEXIST", "ENOENT")) return;
        throw error;
      }
    }
  }

  async function* walk(folder: string, within: Within): AsyncGenerator<string> {
    for (const { name, isFolder } of await namesOf(join(root, folder))) {
      const key = `${folder}${name}`;
      if (isFolder && mayHold(key, within)) yield* walk(key, within);
      if (!isFolder && key.startsWith(within.prefix) && key > within.after) yield key;
    }
  }

  return {
    async get(key) {
      return readManifest(pathOf(key));
    },

    async putIfAbsent(manifest) {
      const path = draft();
      try {
        await writeFile(path, JSON.stringify(manifest), { flag: "wx", flush: fsync });
        return await linkAt(path, pathOf(manifest.key));
      } finally {
        await rm(path, { force: true });
      }
    },

    async take(key) {
      // Moved away first: two deletions cannot both take the same manifest, nor one take its successor unseen.
      const path = draft();
      try {
        await rename(pathOf(key), path);
      } catch (error) {
        if (hasCode(error, "ENOENT")) return undefined;
        throw error;
      }
      const manifest = await readManifest(path);
      await rm(path, { force: true });
      await prune(dirname(pathOf(key)));
      return manifest;
    },

    keys(prefix, after = "") {
      return walk(prefix.slice(0, prefix.lastIndexOf("/") + 1), { prefix, after });
    },
  };
}

interface Within {
  readonly prefix: string;
  readonly after: string;
}

/** Whether keys under a folder (its name ends in a slash) can start with the prefix and come after the cursor. */
function mayHold(folder: string, { prefix, after }: Within): boolean {
  const inPrefix = folder.startsWith(prefix) || prefix.startsWith(folder);
  return inPrefix && (folder > after || after.startsWith(folder));
}

/** A folder's keys and folders, ordered as their keys are: a folder counts with the slash that follows it. */
async function namesOf(path: string): Promise<{ name: string; isFolder: boolean }[]> {
  const names = (await entriesOf(path)).flatMap((entry) => {
    if (entry.isDirectory()) return { name: `${entry.name}/`, isFolder: true };
    return entry.name.endsWith(MARK) ? { name: entry.name.slice(0, -MARK.length), isFolder: false } : [];
  });
  // Keys are ASCII, where the order of units is the order of bytes.
  return names.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function entriesOf(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

async function readManifest(path: string): Promise<Manifest | undefined> {
  try {
    return Manifest.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Whether the name itself was taken, and not one of the folders that lead to it. */
function isTaken(error: unknown): boolean {
  return hasCode(error, "EEXIST") && (error as NodeJS.ErrnoException).syscall === "link";
}

/**
 * A new name is safe when its folder is, and a new folder when its parent is. A folder that is gone was deleted with
 * the name in it: nothing is left to be made safe, and linking again would bring back what was deleted.
 * @param top the last folder to sync.
 */
async function syncFolders(folder: string, top: string): Promise<void> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      await syncToDisk(path);
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
    }
    if (path === top) return;
  }
}
