/** Engines that tell of rare calls. */
import type { Write } from "#shared/ports.ts";
import type { BlobEngine } from "./blob-engine.ts";
import type { RarePath, Sometimes } from "./sometimes.ts";
import type { StoreEngine } from "./store-engine.ts";

export function watchedBlobs(
  blobs: BlobEngine,
  watch: {
    /** Told of each job whose bytes are put. */
    readonly onPut: (jobId: string) => void;
    readonly onDelete: (jobId: string, key: string) => void;
  },
): BlobEngine {
  return {
    ...blobs,
    get size() {
      return blobs.size;
    },
    put(key, content, contentType) {
      watch.onPut(jobOf(key));
      return blobs.put(key, content, contentType);
    },
    delete(key) {
      watch.onDelete(jobOf(key), key);
      blobs.delete(key);
    },
  };
}

/** Counts the commits that were refused, by who met whom. */
export function watchedStore(store: StoreEngine, sometimes: Sometimes): StoreEngine {
  return {
    ...store,
    transact(writes, token) {
      const committed = store.transact(writes, token);
      if (!committed.ok) sometimes.count(pathOf(writes));
      return committed;
    },
  };
}

function jobOf(key: string): string {
  return key.split("/", 2)[1] ?? "";
}

function pathOf(writes: readonly Write[]): RarePath {
  const [first] = writes;
  if (first?.op === "put" && first.item.sk === "AGENT") return "beat overtaken";
  if (first?.op === "add" && first.floor?.["ratedSeq"] !== undefined) return "rater met another";
  return "commit conflicted";
}
