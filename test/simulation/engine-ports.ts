/** The production ports of one process, over the simulated network. */
import { Fault } from "#shared/domain/fault.ts";
import type { Blobs, Queue, Store } from "#shared/ports.ts";
import type { StoreClock } from "#shared/store-clock.ts";
import type { BlobEngine } from "./blob-engine.ts";
import type { Network } from "./network.ts";
import type { QueueEngine } from "./queue-engine.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { StoreEngine } from "./store-engine.ts";
import type { Loop } from "./virtual-time.ts";

/** One in so many readings of an empty index partition goes through the network. */
const EMPTY_EVERY = 40;

/** Its replies tell the time, cut to seconds. */
export function storePort(
  process: SimulatedProcess,
  engine: StoreEngine,
  parts: { readonly network: Network; readonly loop: Loop; readonly clock: StoreClock },
): Store {
  const { network, loop, clock } = parts;
  const call = async <T>(op: string, run: () => T): Promise<T> => {
    const askedAt = clock.now();
    let repliedAt = 0;
    const answer = await network.call(process, "store", op, () => {
      repliedAt = loop.now();
      return run();
    });
    clock.observe(Math.floor(repliedAt / 1_000) * 1_000, askedAt);
    return answer;
  };
  let empty = 0;
  return {
    get: (key) => call("store.get", () => engine.get(key)),
    transact: (writes, token) => call("store.transact", () => engine.transact(writes, token)),
    list: (pk, range) => call("store.list", () => engine.list(pk, range)),
    nominate(index, pk, range) {
      // Sweeps and asks read 16 shards of each class: most are empty, and a call that reads nothing tells nothing new.
      if (network.isWell(process, "store")) {
        const page = engine.nominate(index, pk, range);
        if (page.rows.length === 0 && (empty += 1) % EMPTY_EVERY !== 0) return Promise.resolve(page);
      }
      return call("store.nominate", () => engine.nominate(index, pk, range));
    },
  };
}

export function queuePort(
  process: SimulatedProcess,
  engine: QueueEngine,
  parts: { readonly network: Network; readonly loop: Loop },
): Queue {
  const { network, loop } = parts;
  const call = <T>(op: string, run: () => T): Promise<T> => network.call(process, "queue", op, run);
  return {
    send: (messages) => call("queue.send", () => engine.send(messages)),
    extend: (receipts, ms) => call("queue.extend", () => engine.extend(receipts, ms)),
    delete: (receipts) => call("queue.delete", () => engine.delete(receipts)),
    async receive(ask, signal) {
      // The way there is a call like any other; the wait for a first message is not.
      await network.call(process, "queue", "queue.receive", () => undefined);
      signal?.throwIfAborted();
      return await new Promise((resolve, reject) => {
        const abort = (): void => {
          leave();
          reject(signal?.reason as Error);
        };
        signal?.addEventListener("abort", abort, { once: true });
        const leave = engine.receive(ask, (deliveries) => {
          loop.after(network.latencyMs(), () =>
            process.wake(() => {
              signal?.removeEventListener("abort", abort);
              resolve(deliveries);
            }),
          );
        });
      });
    },
  };
}

/** Contents are texts: of a file, its path, which no two writers share. */
export function blobsPort(process: SimulatedProcess, engine: BlobEngine, network: Network): Blobs {
  const call = <T>(op: string, run: () => T): Promise<T> => network.call(process, "blobs", op, run);
  const unsigned = (): never => {
    throw new Fault("input", "url_unsigned", "A simulation signs no addresses.");
  };
  return {
    head: (key) => call("blobs.head", () => engine.head(key)),
    upload: (key, path, { contentType }) => call("blobs.upload", () => engine.put(key, path, contentType)),
    write: (key, bytes, contentType) => {
      const content = Buffer.from(bytes).toString();
      return call("blobs.write", () => engine.put(key, content, contentType));
    },
    copy: (from, to) =>
      call("blobs.copy", () => {
        const { info, content } = engine.find(from);
        return engine.put(to, content, info.contentType);
      }),
    download: (key) => call("blobs.download", () => engine.find(key).info),
    read: (key) => call("blobs.read", () => Buffer.from(engine.find(key).content)),
    delete: (key) => call("blobs.delete", () => engine.delete(key)),
    list: (prefix, range) => call("blobs.list", () => engine.list(prefix, range)),
    signPut: async () => unsigned(),
    signGet: async ({ key, expiresAt }) => ({
      method: "GET",
      url: `https://blobs.invalid/${key}`,
      headers: {},
      expiresAt,
    }),
  };
}
