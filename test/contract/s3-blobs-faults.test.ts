import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Fault } from "#shared/domain/fault.ts";
import type { Blobs, SignedRequest } from "#shared/ports.ts";
import { seededRandom } from "../chaos/seeded-random.ts";
import { everyKind, type FaultName, type FaultTimes, type RequestHead } from "../faults/fault-plan.ts";
import { startFaultProxy } from "../faults/fault-proxy.ts";
import { PART_BYTES, s3, temporaryBucket } from "./s3-engine.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const { endpoint } = s3.options;
const aws = test.skipIf(endpoint === undefined);
const PNG = "image/png";

/** A bucket of its own behind a proxy of its own, and a folder. */
async function openBehindProxy({
  seed = 1,
  times = {},
}: { seed?: number; times?: Partial<FaultTimes> } = {}) {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  const target = new URL(endpoint ?? "");
  const proxy = opened.use(await startFaultProxy({ target, seed, dialect: "s3", times }));
  const { blobs } = opened.use(await temporaryBucket({ endpoint: proxy.url }));
  const kept = opened.move();
  return { proxy, blobs, folder: folder.path, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function send({ method, url, headers }: SignedRequest, body?: Buffer): Promise<Response> {
  return fetch(url, { method, headers, ...(body !== undefined && { body }) });
}

const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

aws.concurrent.each<FaultName>(["drop-before", "drop-after", "cut", "duplicate", "server-error", "throttle"])(
  "writing, copying, looking, listing and deleting are done once under %s",
  async (kind) => {
    await using faulty = await openBehindProxy();
    const { proxy, blobs } = faulty;
    const bytes = randomBytes(10_000);
    const blob = { bytes: bytes.length, contentType: PNG, sha256: sha256Of(bytes) };
    const isUnlucky = ({ operation = "", path }: RequestHead) =>
      operation !== "HeadObject" || path.includes("looked");
    const once = async <T>(ask: () => Promise<T>): Promise<T> => {
      proxy.next({ kind, when: isUnlucky });
      return ask();
    };
    expect(await once(() => blobs.write("a", bytes, PNG))).toEqual({ key: "a", ...blob });
    expect(await once(() => blobs.copy("a", "looked"))).toEqual({ key: "looked", ...blob });
    expect(await once(() => blobs.head("looked"))).toEqual({ key: "looked", ...blob });
    expect(await once(() => blobs.list("", { limit: 10 }))).toEqual({ rows: ["a", "looked"] });
    await once(() => blobs.delete("a"));
    expect(await once(() => blobs.head("a"))).toBeUndefined();
    expect(bytes.equals(await blobs.read("looked"))).toBe(true);
    expect(proxy.failures()).toBe(0);
  },
);

aws("a large object whose answer was lost is known again, and so is one of other bytes", async () => {
  await using faulty = await openBehindProxy();
  const { proxy, blobs } = faulty;
  const bytes = randomBytes(5 * 1024 * 1024);
  const blob = { key: "a", bytes: bytes.length, contentType: PNG, sha256: sha256Of(bytes) };
  proxy.next({ kind: "drop-after", when: ({ operation }) => operation === "PutObject" });
  for (let n = 0; n < 3; n += 1) expect(await blobs.write("a", bytes, PNG)).toEqual(blob);
  await expect(blobs.write("a", randomBytes(5 * 1024 * 1024), PNG)).rejects.toMatchObject({
    code: "blob_exists",
  });
});

aws.concurrent.each<FaultName>(["server-error", "drop-before"])(
  "under %s that lasts the blobs are busy",
  async (kind) => {
    await using faulty = await openBehindProxy();
    const { proxy, blobs, folder } = faulty;
    await blobs.write("a", randomBytes(10), PNG);
    proxy.setRates({ [kind]: 1 });
    const calls = [
      blobs.write("b", randomBytes(10), PNG),
      blobs.read("a"),
      blobs.head("a"),
      blobs.copy("a", "c"),
      blobs.download("a", join(folder, "out")),
      blobs.delete("a"),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { kind: "busy", code: "blobs_busy" } });
    }
    expect(await readdir(folder)).toEqual([]);
    proxy.setRates({});
    expect(await blobs.list("", { limit: 10 })).toEqual({ rows: ["a"] });
  },
);

aws("signed requests hold through a proxy; bytes that changed on the way there are refused", async () => {
  await using faulty = await openBehindProxy();
  const { proxy, blobs } = faulty;
  const bytes = randomBytes(10_000);
  const sha256 = sha256Of(bytes);
  const expiresAt = Date.now() + 60_000;
  const slot = { key: "a", contentType: PNG, bytes: bytes.length, sha256, expiresAt };
  const put = await blobs.signPut(slot);
  proxy.next({ kind: "flip-request" });
  expect((await send(put, bytes)).status).toBe(400);
  expect(await blobs.head("a")).toBeUndefined();
  expect((await send(put, bytes)).status).toBe(200);
  const get = await blobs.signGet({ key: "a", expiresAt });
  proxy.next({ kind: "flip-response" });
  const [damaged, whole] = [await send(get), await send(get)];
  expect(sha256Of(Buffer.from(await damaged.arrayBuffer()))).not.toBe(sha256);
  expect(sha256Of(Buffer.from(await whole.arrayBuffer()))).toBe(sha256);
  expect(proxy.counts()).toEqual({ "flip-request": 1, "flip-response": 1 });
});

const WORKERS = 12;
const STEPS = 12;
const TRIES_MAX = 20;
const KEYS = ["a", "b", "c"] as const;

/** What one worker does with keys of its own, beside a map that knows no faults. */
class Worker {
  readonly #blobs: Blobs;
  readonly #folder: string;
  readonly #prefix: string;
  readonly #random: () => number;
  readonly #twin = new Map<string, Buffer>();

  constructor(blobs: Blobs, { folder, n }: { readonly folder: string; readonly n: number }) {
    this.#blobs = blobs;
    this.#folder = folder;
    this.#prefix = `${String(n).padStart(3, "0")}/`;
    this.#random = seededRandom(n);
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      const key = this.#key();
      const draw = this.#random();
      if (draw < 0.4) await this.#put(key, step);
      else if (draw < 0.55) await this.#copy(key);
      else if (draw < 0.65) await this.#delete(key);
      else await this.#look(key, step);
    }
    for (const key of KEYS) await this.#look(this.#prefix + key, STEPS);
  }

  /** A key that is taken by other bytes stays as it is; one that is taken by these is as good as written. */
  async #put(key: string, step: number): Promise<void> {
    const there = this.#twin.get(key);
    const bytes = there !== undefined && this.#random() < 0.5 ? there : this.#content(step);
    const path = join(this.#folder, `${this.#prefix.slice(0, -1)}-${step}`);
    await writeFile(path, bytes);
    const isUpload = bytes.length > PART_BYTES || this.#random() < 0.5;
    const put = () =>
      isUpload ? this.#blobs.upload(key, path, { contentType: PNG }) : this.#blobs.write(key, bytes, PNG);
    if (there !== undefined && !there.equals(bytes)) {
      await expect(untilAnswered(put)).rejects.toMatchObject({ code: "blob_exists" });
      return;
    }
    const blob = { key, bytes: bytes.length, sha256: sha256Of(bytes), contentType: PNG };
    expect(await untilAnswered(put)).toEqual(blob);
    this.#twin.set(key, bytes);
  }

  async #copy(to: string): Promise<void> {
    const from = this.#key();
    const copied = untilAnswered(() => this.#blobs.copy(from, to));
    const [source, target] = [this.#twin.get(from), this.#twin.get(to)];
    if (source === undefined) await expect(copied).rejects.toMatchObject({ code: "blob_missing" });
    else if (target !== undefined && !target.equals(source)) {
      await expect(copied).rejects.toMatchObject({ code: "blob_exists" });
    } else {
      expect(await copied).toMatchObject({ key: to, bytes: source.length });
      this.#twin.set(to, source);
    }
  }

  async #delete(key: string): Promise<void> {
    await untilAnswered(() => this.#blobs.delete(key));
    this.#twin.delete(key);
  }

  async #look(key: string, step: number): Promise<void> {
    const bytes = this.#twin.get(key);
    const found = await untilAnswered(() => this.#blobs.head(key));
    expect(found?.bytes).toBe(bytes?.length);
    const listed = await untilAnswered(() => this.#blobs.list(this.#prefix, { limit: 10 }));
    expect(listed.rows).toEqual([...this.#twin.keys()].toSorted());
    const path = join(this.#folder, `${this.#prefix.slice(0, -1)}-${step}-${key.at(-1)}-out`);
    const downloaded = untilAnswered(() => this.#blobs.download(key, path));
    if (bytes === undefined) await expect(downloaded).rejects.toMatchObject({ code: "blob_missing" });
    else {
      expect((await downloaded).sha256).toBe(sha256Of(bytes));
      expect((await readFile(path)).equals(bytes)).toBe(true);
      expect(bytes.equals(await untilAnswered(() => this.#blobs.read(key)))).toBe(true);
    }
  }

  #key(): string {
    return this.#prefix + KEYS[Math.floor(this.#random() * KEYS.length)]!;
  }

  /** Now and then in two parts. */
  #content(step: number): Buffer {
    const length = this.#random() < 0.05 ? PART_BYTES + 1 : 1 + Math.floor(this.#random() * 50_000);
    return createHash("shake256", { outputLength: length }).update(`${this.#prefix}${step}`).digest();
  }
}

/** Repeats what the blobs were too busy for. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "blobs_busy" || tries === TRIES_MAX) throw error;
    }
  }
}

aws(
  "random operations at 5 % of each fault keep in step with a map, to the byte",
  async () => {
    const times = { delayMsMin: 5, delayMsMax: 50, slowMsMax: 100, halfOpenMs: 200 };
    await using faulty = await openBehindProxy({ seed: 42, times });
    const { proxy, blobs, folder } = faulty;
    proxy.setRates(everyKind(0.05, "s3"));
    const workers = Array.from({ length: WORKERS }, (_, n) => new Worker(blobs, { folder, n }));
    await Promise.all(workers.map((worker) => worker.run()));
    expect(Object.values(proxy.counts()).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
    proxy.setRates({});
  },
  60_000,
);
