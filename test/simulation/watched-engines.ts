/** Engines whose rare calls are counted, and judged. */
import type { Write } from "#shared/ports.ts";
import type { BlobEngine } from "./blob-engine.ts";
import type { Checker } from "./checker.ts";
import type { RarePath, Sometimes } from "./sometimes.ts";
import type { StoreEngine } from "./store-engine.ts";

/** What is written and deleted once a job has ended: bytes that an erasure must take too, and a result that nobody may. */
export function watchedBlobs(blobs: BlobEngine, checker: Checker, sometimes: Sometimes): BlobEngine {
  return {
    ...blobs,
    get size() {
      return blobs.size;
    },
    put(key, content, contentType) {
      const { erasure, discardAgainAt } = checker.jobs.get(jobOf(key)) ?? {};
      if (erasure !== undefined && discardAgainAt !== undefined)
        sometimes.count("erased bytes written again");
      return blobs.put(key, content, contentType);
    },
    delete(key) {
      const id = jobOf(key);
      const { status, erasure, stages } = checker.jobs.get(id) ?? {};
      if (status === "succeeded" && !erasure && stages?.at(-1)?.outputs?.["image"]?.key === key)
        checker.breach(6, `the result of ${id} was deleted`);
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
