/** The objects of a simulation: write once, known by digest. Contents are short texts that no two writers share. */
import { createHash } from "node:crypto";
import { blobExists, blobMissing, checkBlobKey, checkBlobPrefix } from "#shared/adapters/blob-key.ts";
import type { KnownBlob, Page } from "#shared/ports.ts";

export interface BlobEngine {
  head(key: string): KnownBlob | undefined;
  put(key: string, content: string, contentType: string): KnownBlob;
  find(key: string): { readonly info: KnownBlob; readonly content: string };
  delete(key: string): void;
  list(prefix: string, range: { readonly limit: number; readonly cursor?: string }): Page<string>;
  readonly size: number;
}

export function createBlobEngine(): BlobEngine {
  const blobs = new Map<string, { readonly info: KnownBlob; readonly content: string }>();
  /** Keys by their first two parts, `jobs/<id>`: a listing reads one job's keys, not all. */
  const folders = new Map<string, Set<string>>();

  return {
    get size() {
      return blobs.size;
    },
    head(key) {
      checkBlobKey(key);
      return blobs.get(key)?.info;
    },
    put(key, content, contentType) {
      checkBlobKey(key);
      const found = blobs.get(key);
      if (found !== undefined) {
        if (found.content !== content) throw blobExists(key);
        return found.info;
      }
      const info = { key, bytes: content.length, sha256: digestOf(content), contentType };
      blobs.set(key, { info, content });
      const folder = folderOf(key);
      folders.set(folder, (folders.get(folder) ?? new Set()).add(key));
      return info;
    },
    find(key) {
      checkBlobKey(key);
      const found = blobs.get(key);
      if (found === undefined) throw blobMissing(key);
      return found;
    },
    delete(key) {
      checkBlobKey(key);
      blobs.delete(key);
      const folder = folderOf(key);
      folders.get(folder)?.delete(key);
      if (folders.get(folder)?.size === 0) folders.delete(folder);
    },
    list(prefix, { limit, cursor = "" }) {
      checkBlobPrefix(prefix);
      const keys = [...(folders.get(folderOf(prefix)) ?? [])]
        .filter((key) => key.startsWith(prefix) && key > cursor)
        .sort();
      const rows = keys.slice(0, limit);
      const last = rows.at(-1);
      return { rows, ...(keys.length > limit && last !== undefined ? { cursor: last } : {}) };
    },
  };
}

function digestOf(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}

function folderOf(key: string): string {
  return key.split("/", 2).join("/");
}
