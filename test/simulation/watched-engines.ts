/** Engines that tell of rare calls. */
import type { Write } from "#shared/ports.ts";
import type { BlobEngine } from "./blob-engine.ts";
import type { RarePath, Sometimes } from "./sometimes.ts";
import type { StoreEngine } from "./store-engine.ts";

/** @param onPut told of each job whose bytes are put. */
export function watchedBlobs(blobs: BlobEngine, onPut: (jobId: string) => void): BlobEngine {
  return {
    ...blobs,
    get size() {
      return blobs.size;
    },
    put(key, content, contentType) {
      onPut(key.split("/", 2)[1] ?? "");
      return blobs.put(key, content, contentType);
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

function pathOf(writes: readonly Write[]): RarePath {
  const [first] = writes;
  if (first?.op === "put" && first.item.sk === "AGENT") return "beat overtaken";
  if (first?.op === "add" && first.floor?.["ratedSeq"] !== undefined) return "rater met another";
  return "commit conflicted";
}
