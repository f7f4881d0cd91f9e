import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Entropy, KnownBlob } from "../ports.ts";
import { invariant } from "../domain/fault.ts";
import {
  blobExists,
  blobMissing,
  checkBlobKey,
  checkBlobPrefix,
  checkContentType,
  checkListLimit,
  checkReadBytes,
} from "./blob-key.ts";
import { createBlobTree, type Manifest } from "./blob-tree.ts";
import { passChecked } from "./checked-content.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import { diskFault, hasCode, syncToDisk } from "./durable-file.ts";
import { hashFile, linkOrCopy } from "./local-file.ts";
import type { StreamedBlobs } from "./streamed-blobs.ts";
import type { UrlSigner } from "./url-signer.ts";

export interface FileBlobs extends StreamedBlobs {
  /**
   * Deletes data that no key names: what crashes, aborted uploads and races leave behind. Only what is older than
   * `olderThanMs` goes, so it must be longer than any upload. @returns how many files went.
   */
  sweepOrphans(olderThanMs: number): Promise<number>;
}

const STREAM_CHUNK_BYTES = 256 * 1024;
/** Whoever is crossed by a deletion looks again: a reader between key and data, a writer between losing and comparing. */
const TRIES_MAX = 3;

/**
 * Blobs as files: `objects/<random>` holds bytes and never changes, `keys/<key>~` is a small manifest that names them,
 * `incoming/` is for what is not finished. All three lie on one device; several processes may share them. Contents come
 * in and go out as hard links where the device allows.
 * @param parts.fsync whether what is stored outlives a loss of power; on unless told otherwise.
 * @param parts.signer absent where a process signs no URLs.
 */
export async function createFileBlobs(parts: {
  readonly root: string;
  readonly entropy: Entropy;
  readonly signer?: Pick<UrlSigner, "signPut" | "signGet">;
  readonly fsync?: boolean;
}): Promise<FileBlobs> {
  const { root, entropy, signer, fsync = true } = parts;
  const folders = {
    keys: join(root, "keys"),
    objects: join(root, "objects"),
    incoming: join(root, "incoming"),
  };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true });

  const newName = () => Buffer.from(entropy(16)).toString("hex");
  const objectPath = (name: string) => join(folders.objects, name);
  const tree = createBlobTree({ root: folders.keys, draft: () => join(folders.incoming, newName()), fsync });

  /** Gives new bytes their name and key, or throws them away. `fill` writes the file at a path that is free. */
  async function store(
    key: string,
    contentType: string,
    fill: (path: string) => Promise<{ readonly sha256: string }>,
  ): Promise<{ readonly info: KnownBlob; readonly won: boolean }> {
    const object = newName();
    const path = objectPath(object);
    let won = false;
    try {
      const { sha256 } = await fill(path);
      const { size: bytes } = await stat(path);
      if (fsync) for (const part of [path, folders.objects]) await syncToDisk(part);
      won = await tree.putIfAbsent({ key, object, bytes, sha256, contentType });
      return { info: { key, bytes, sha256, contentType }, won };
    } catch (error) {
      throw diskFault(error);
    } finally {
      if (!won) await discard(key, object);
    }
  }

  /** Failing late may mean failing after the key was put: then its data must stay. */
  async function discard(key: string, object: string): Promise<void> {
    const manifest = await tree.get(key);
    if (manifest?.object !== object) await rm(objectPath(object), { force: true });
  }

  /** Like `store`, but a key that holds the same bytes already is as good. */
  async function storeOnce(
    key: string,
    contentType: string,
    fill: Parameters<typeof store>[2],
  ): Promise<KnownBlob> {
    checkBlobKey(key);
    checkContentType(contentType);
    for (let tries = 1; ; tries++) {
      const { info, won } = await store(key, contentType, fill);
      const kept = won ? info : await head(key);
      if (kept?.sha256 === info.sha256) return kept;
      if (kept !== undefined || tries === TRIES_MAX) throw blobExists(key);
    }
  }

  async function head(key: string): Promise<KnownBlob | undefined> {
    checkBlobKey(key);
    const manifest = await tree.get(key);
    return manifest && infoOf(manifest);
  }

  /** Runs `use` on an object's file. */
  async function withObject<T>(key: string, use: (path: string, info: KnownBlob) => Promise<T>): Promise<T> {
    checkBlobKey(key);
    for (let tries = 1; ; tries++) {
      const manifest = await tree.get(key);
      if (manifest === undefined) throw blobMissing(key);
      try {
        return await use(objectPath(manifest.object), infoOf(manifest));
      } catch (error) {
        if (!hasCode(error, "ENOENT") || tries === TRIES_MAX) throw diskFault(error);
      }
    }
  }

  return {
    head,

    async upload(key, path, { contentType, sha256 }) {
      const source = await realpath(path);
      invariant((await stat(source)).isFile(), "what is uploaded is a regular file");
      return storeOnce(key, contentType, async (object) => {
        await linkOrCopy(source, object);
        return { sha256: sha256 ?? (await hashFile(object)) };
      });
    },

    async write(key, bytes, contentType) {
      return storeOnce(key, contentType, async (object) => {
        await writeFile(object, bytes, { flag: "wx" });
        return { sha256: createHash("sha256").update(bytes).digest("hex") };
      });
    },

    async copy(from, to) {
      checkBlobKey(to);
      return withObject(from, (source, { contentType, sha256 }) =>
        storeOnce(to, contentType, async (object) => {
          await linkOrCopy(source, object);
          return { sha256 };
        }),
      );
    },

    async receive(key, content, expected) {
      checkContentType(expected.contentType);
      if ((await head(key)) !== undefined) throw blobExists(key);
      const { info, won } = await store(key, expected.contentType, async (object) => {
        await using handle = await open(object, "wx");
        return { sha256: await passChecked(content, expected, (chunk) => handle.appendFile(chunk)) };
      });
      if (!won) throw blobExists(key);
      return info;
    },

    async download(key, path) {
      return withObject(key, async (object, info) => {
        await linkOrCopy(object, path);
        return info;
      });
    },

    async read(key) {
      return withObject(key, (object, info) => {
        checkReadBytes(info.bytes);
        return readFile(object);
      });
    },

    async open(key, span) {
      return withObject(key, async (object, info) => {
        const handle = await open(object, "r");
        const stream = handle.createReadStream({ ...span, highWaterMark: STREAM_CHUNK_BYTES });
        return { info, content: Readable.toWeb(stream) as ReadableStream<Uint8Array> };
      });
    },

    async delete(key) {
      checkBlobKey(key);
      const manifest = await tree.take(key);
      if (manifest !== undefined) await rm(objectPath(manifest.object), { force: true });
    },

    async list(prefix, { limit, cursor }) {
      checkBlobPrefix(prefix);
      checkListLimit(limit);
      const [after] = cursor === undefined ? [] : decodeCursor(cursor, 1);
      const keys: string[] = [];
      for await (const key of tree.keys(prefix, after)) if (keys.push(key) > limit) break;
      return pageOf(keys, limit, { show: (key) => key, position: (key) => [key] });
    },

    async signPut(slot) {
      invariant(signer !== undefined, "this process signs no URLs");
      return signer.signPut(slot);
    },

    async signGet(slot) {
      invariant(signer !== undefined, "this process signs no URLs");
      return signer.signGet(slot);
    },

    async sweepOrphans(olderThanMs) {
      // "Now" by the clock that dates the files. A link made to an old file renews its ctime, not its mtime.
      const probe = join(folders.incoming, newName());
      await writeFile(probe, "");
      const before = (await stat(probe)).ctimeMs - olderThanMs;
      await rm(probe);
      const objects = await readdir(folders.objects);
      const named = new Set<string>();
      for await (const key of tree.keys("")) named.add((await tree.get(key))?.object ?? "");
      const orphans = objects.filter((name) => !named.has(name)).map(objectPath);
      const drafts = (await readdir(folders.incoming)).map((name) => join(folders.incoming, name));
      let swept = 0;
      for (const path of [...orphans, ...drafts]) if (await removeIfOlder(path, before)) swept += 1;
      return swept;
    },
  };
}

function infoOf({ key, bytes, sha256, contentType }: Manifest): KnownBlob {
  return { key, bytes, sha256, contentType };
}

async function removeIfOlder(path: string, beforeMs: number): Promise<boolean> {
  try {
    const { ctimeMs } = await stat(path);
    if (ctimeMs > beforeMs) return false;
    await rm(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}
