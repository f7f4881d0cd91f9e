import { createHash } from "node:crypto";
import { open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import type { AwsCall } from "#shared/adapters/aws-client.ts";
import { createS3Door, type S3Door } from "#shared/adapters/s3-client.ts";
import { fetchObject } from "#shared/adapters/s3-download.ts";
import { putParts } from "#shared/adapters/s3-upload.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { type FaultProxy, startFaultProxy } from "../faults/fault-proxy.ts";
import { PART_BYTES, s3, type S3Bucket, temporaryBucket } from "./s3-engine.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** What happens to bytes on their way to a bucket and back. A real account is reached by TLS, where no proxy can meddle. */
const isHere = s3.isHere && s3.options.endpoint !== undefined;
const PNG = "image/png";
const CONTENT = createHash("shake256", { outputLength: 300_000 }).update("content").digest();
const LARGE = createHash("shake256", { outputLength: 2 * PART_BYTES + 1 })
  .update("large")
  .digest();
const BUSY = { name: "Fault", kind: "busy", code: "blobs_busy" };

interface Line extends S3Bucket {
  readonly proxy: FaultProxy;
  readonly calls: readonly AwsCall[];
  readonly folder: string;
  /** Holds LARGE. */
  readonly large: string;
  /** Uploads of parts that were neither completed nor taken back. */
  readonly unfinished: () => Promise<number>;
}

/** A bucket behind a line that can be made faulty. */
async function openLine(): Promise<Line> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  const target = new URL(s3.options.endpoint ?? "");
  const proxy = opened.use(await startFaultProxy({ target, seed: 7, dialect: "s3" }));
  const calls: AwsCall[] = [];
  const onCall = (call: AwsCall): void => void calls.push(call);
  const there = opened.use(await temporaryBucket({ endpoint: proxy.url, onCall }));
  const large = join(folder.path, "large");
  await writeFile(large, LARGE);
  const client = new S3Client({ ...s3.options, forcePathStyle: true });
  opened.defer(() => client.destroy());
  const unfinished = async () => {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: there.bucket }));
    return Uploads.length;
  };
  const kept = opened.move();
  const close = () => kept.disposeAsync();
  const { bucket, blobs } = there;
  const line = { bucket, blobs, proxy, calls, folder: folder.path, large, unfinished, close };
  return { ...line, [Symbol.asyncDispose]: close };
}

for (const [how, kind] of [
  ["with a bit that fell over", "flip-response"],
  ["cut short", "cut"],
] as const) {
  test.skipIf(!isHere)(`a download that arrives ${how} is asked for anew`, async () => {
    await using line = await openLine();
    const { blobs, proxy, folder } = line;
    const info = await blobs.write("k", CONTENT, PNG);
    const out = join(folder, "out");
    proxy.next({ kind, when: ({ operation }) => operation === "GetObject", times: 2 });
    expect(await blobs.download("k", out)).toEqual(info);
    expect(await readFile(out)).toEqual(CONTENT);
    expect(line.calls.filter(({ operation }) => operation === "GetObject")).toHaveLength(3);
    proxy.next({ kind, when: ({ operation }) => operation === "GetObject" });
    expect(Buffer.from(await blobs.read("k")).equals(CONTENT)).toBe(true);
  });

  test.skipIf(!isHere)(`a download that always arrives ${how} ends as busy, and leaves nothing`, async () => {
    await using line = await openLine();
    const { blobs, proxy, folder } = line;
    await blobs.write("k", CONTENT, PNG);
    proxy.next({ kind, when: ({ operation }) => operation === "GetObject", times: 100 });
    await expect(blobs.download("k", join(folder, "out"))).rejects.toMatchObject(BUSY);
    await expect(blobs.read("k")).rejects.toMatchObject(BUSY);
    expect(line.calls.filter(({ operation }) => operation === "GetObject")).toHaveLength(10);
    expect(await readdir(folder)).toEqual(["large"]);
  });
}

test.skipIf(!isHere)("a download to a full disk ends at once, and says what is wrong", async () => {
  await using line = await openLine();
  await line.blobs.write("k", CONTENT, PNG);
  using door = lineDoor(line.bucket, line.proxy.url);
  const asked = line.proxy.requests();
  const fetching = fetchObject(door, "k", async (content) => {
    await using full = await open("/dev/full", "w");
    for await (const chunk of content) await full.appendFile(chunk);
  });
  await expect(fetching).rejects.toMatchObject({ kind: "busy", code: "disk_full" });
  expect(line.proxy.requests()).toBe(asked + 1);
});

test.skipIf(!isHere)("an upload whose bits fell over is refused by S3 and sent again", async () => {
  await using line = await openLine();
  const { blobs, proxy } = line;
  proxy.next({ kind: "flip-request", when: ({ operation }) => operation === "PutObject" });
  await blobs.write("k", CONTENT, PNG);
  expect(Buffer.from(await blobs.read("k")).equals(CONTENT)).toBe(true);
});

test.skipIf(!isHere)(
  "an upload whose answer is lost is found done, and another's is still told from it",
  async () => {
    await using line = await openLine();
    const { blobs, proxy } = line;
    proxy.next({ kind: "drop-after", when: ({ operation }) => operation === "PutObject" });
    const info = await blobs.write("k", CONTENT, PNG);
    expect(await blobs.head("k")).toEqual(info);
    // A busy server may answer the repetition with a conflict, and is asked once more.
    expect(line.calls.find(({ operation }) => operation === "PutObject")?.attempts).toBeGreaterThanOrEqual(2);
    proxy.next({ kind: "drop-before", when: ({ operation }) => operation === "PutObject" });
    await expect(blobs.write("k", Buffer.from("other"), PNG)).rejects.toMatchObject({ code: "blob_exists" });
  },
);

test.skipIf(!isHere)("a large upload outlives lost parts, and the lost answer to its end", async () => {
  await using line = await openLine();
  const { blobs, proxy } = line;
  proxy.next({ kind: "drop-before", when: ({ path }) => path.includes("partNumber=1") });
  proxy.next({ kind: "flip-request", when: ({ path }) => path.includes("partNumber=2") });
  proxy.next({ kind: "drop-after", when: isCompletion });
  const info = await blobs.upload("k", line.large, { contentType: PNG });
  expect(await blobs.download("k", join(line.folder, "out"))).toEqual(info);
  expect((await readFile(join(line.folder, "out"))).equals(LARGE)).toBe(true);
  expect(proxy.counts()).toEqual({ "drop-before": 1, "flip-request": 1, "drop-after": 1 });
  expect(await line.unfinished()).toBe(0);
});

test.skipIf(!isHere)("a large upload that fails takes its parts back", async () => {
  await using line = await openLine();
  const { blobs, proxy } = line;
  proxy.next({ kind: "server-error", when: ({ path }) => path.includes("partNumber=2"), times: 5 });
  await expect(blobs.upload("k", line.large, { contentType: PNG })).rejects.toMatchObject(BUSY);
  expect(await blobs.head("k")).toBeUndefined();
  expect(await line.unfinished()).toBe(0);
  await blobs.upload("k", line.large, { contentType: PNG });
});

test.skipIf(!isHere)(
  "a file that is not the one announced is not stored, and its parts are taken back",
  async () => {
    await using line = await openLine();
    const sha256 = "00".repeat(32);
    const upload = line.blobs.upload("k", line.large, { contentType: PNG, sha256 });
    await expect(upload).rejects.toThrow("not modified while it is uploaded");
    expect(await line.blobs.head("k")).toBeUndefined();
    expect(line.calls.map(({ operation }) => operation)).toContain("AbortMultipartUpload");
    expect(await line.unfinished()).toBe(0);
  },
);

test.skipIf(!isHere)(
  "a large upload that runs out of time takes its parts back before it says so",
  async () => {
    await using line = await openLine();
    const stop = new AbortController();
    // The time is up as soon as the first part has arrived.
    const onCall = ({ operation }: AwsCall): void => {
      if (operation === "UploadPart") stop.abort();
    };
    using door = lineDoor(line.bucket, line.proxy.url, onCall);
    const sha256 = createHash("sha256").update(LARGE).digest("hex");
    const blob = { key: "k", bytes: LARGE.length, sha256, contentType: PNG };
    const inNoTime: S3Door = {
      ...door,
      call: (send, bytes) => (bytes === LARGE.length ? send(stop.signal) : door.call(send, bytes)),
    };
    const upload = putParts(inNoTime, blob, { path: line.large, partBytes: PART_BYTES });
    await expect(upload).rejects.toMatchObject({ name: "AbortError" });
    expect(await line.blobs.head("k")).toBeUndefined();
    expect(await line.unfinished()).toBe(0);
  },
);

function lineDoor(bucket: string, endpoint: string, onCall?: (call: AwsCall) => void): S3Door {
  const options = { ...s3.options, endpoint, ...(onCall === undefined ? {} : { onCall }) };
  return createS3Door(options, { bucket, clock: systemClock, entropy: systemEntropy });
}

function isCompletion({ method, path }: { readonly method: string; readonly path: string }): boolean {
  return method === "POST" && path.includes("uploadId=");
}
