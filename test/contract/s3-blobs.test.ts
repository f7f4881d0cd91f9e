import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import type { AwsCall } from "#shared/adapters/aws-client.ts";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { openS3Blobs } from "#shared/adapters/s3-blobs.ts";
import { createS3Bucket, deleteS3Bucket } from "#shared/adapters/s3-bucket.ts";
import { createS3Signer } from "#shared/adapters/s3-signer.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { startTinyServer } from "../faults/tiny-server.ts";
import { blobsContract } from "./blobs.contract.ts";
import { presignedContract, send } from "./presigned.contract.ts";
import { PART_BYTES, s3, temporaryBucket } from "./s3-engine.ts";

const faults: Record<string, string> = s3.isReal
  ? {}
  : {
      "a key and keys below it live side by side": "versitygw keeps keys as files in folders",
      "writers and deletions of neighbours do not disturb each other":
        "versitygw removes a folder that has become empty, also from under a write on its way into it",
    };

blobsContract("s3 blobs", async () => ({ ...(await temporaryBucket()), largeBytes: 2 * PART_BYTES + 1 }), {
  isHere: s3.isHere,
  faults,
});

presignedContract(
  "s3 blobs",
  async () => ({ ...(await temporaryBucket()), now: () => Date.now(), advance: (ms) => setTimeout(ms) }),
  { isHere: s3.isHere },
);

/** An environment that names nothing but what is given, until the test is over. */
function environment(variables: Readonly<Record<string, string>>): void {
  const nowhere = { AWS_CONFIG_FILE: "/dev/null", AWS_SHARED_CREDENTIALS_FILE: "/dev/null" };
  const unset = Object.keys(process.env).filter((name) => name.startsWith("AWS_"));
  for (const name of unset) vi.stubEnv(name, undefined);
  const given = { ...nowhere, AWS_EC2_METADATA_DISABLED: "true", ...variables };
  for (const [name, value] of Object.entries(given)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
}

const KEYS = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" };
const SHA256 = "aa".repeat(32);
const EXPIRES_AT = Date.parse("2026-03-01T12:10:00Z");

function signerAt(now: string, endpoint?: string) {
  const clock = createManualClock(Date.parse(now));
  const options = { region: "eu-central-1", ...(endpoint === undefined ? {} : { endpoint }) };
  return createS3Signer(options, { bucket: "photos", clock });
}

test("an upload's URL signs its length, type, checksum and the condition of a free key, and nothing a client cannot send", async () => {
  environment(KEYS);
  using signer = signerAt("2026-03-01T12:00:00Z");
  const slot = { key: "in/a+b", contentType: "image/jpeg", bytes: 12, expiresAt: EXPIRES_AT };
  for (const [sha256, checksum] of [
    [{}, []],
    [{ sha256: SHA256 }, ["x-amz-checksum-sha256"]],
  ] as const) {
    const signed = await signer.signPut({ ...slot, ...sha256 });
    const { searchParams } = new URL(signed.url);
    const names = ["content-length", "content-type", "host", "if-none-match", ...checksum];
    expect(searchParams.get("X-Amz-SignedHeaders")?.split(";")).toEqual(names);
    expect(Object.keys(signed.headers).toSorted()).toEqual(names.filter((name) => name !== "host"));
    // A checksum in the query would be that of the empty body, and bind nobody.
    expect([...searchParams.keys()].filter((name) => /checksum/i.test(name))).toEqual([]);
    expect(searchParams.get("X-Amz-Content-Sha256")).toBe("UNSIGNED-PAYLOAD");
  }
});

test("a URL expires in the second that was asked for, and never after it", async () => {
  environment(KEYS);
  for (const [now, expiresAt, end] of [
    ["2026-03-01T12:00:00.000Z", EXPIRES_AT, EXPIRES_AT],
    ["2026-03-01T12:00:00.999Z", EXPIRES_AT, EXPIRES_AT],
    ["2026-03-01T12:00:00.999Z", EXPIRES_AT + 999, EXPIRES_AT],
    // One second is the least that can be signed.
    ["2026-03-01T12:10:00.100Z", EXPIRES_AT + 200, EXPIRES_AT + 1000],
  ] as const) {
    using signer = signerAt(now);
    const signed = await signer.signGet({ key: "k", expiresAt });
    const { searchParams } = new URL(signed.url);
    const [, date, time] = /^(\d{8})T(\d{6})Z$/.exec(searchParams.get("X-Amz-Date") ?? "") ?? [];
    const iso = `${date} ${time}`.replace(/(....)(..)(..) (..)(..)(..)/, "$1-$2-$3T$4:$5:$6Z");
    expect(Date.parse(iso) + 1000 * Number(searchParams.get("X-Amz-Expires"))).toBe(end);
  }
});

test("AWS's buckets are hosts of their own, those of other servers are paths", async () => {
  environment(KEYS);
  for (const [endpoint, at] of [
    [undefined, "https://photos.s3.eu-central-1.amazonaws.com/in/k"],
    ["http://minio:9000", "http://minio:9000/photos/in/k"],
    ["http://127.0.0.1:9000", "http://127.0.0.1:9000/photos/in/k"],
  ] as const) {
    using signer = signerAt("2026-03-01T12:00:00Z", endpoint);
    const { url } = await signer.signGet({ key: "in/k", expiresAt: EXPIRES_AT });
    expect(url.split("?")[0]).toBe(at);
  }
});

test("without a region, without credentials or without a server the start is refused in one sentence", async () => {
  const options = { bucket: "photos", clock: systemClock };
  environment(KEYS);
  await expect(openS3Blobs(options)).rejects.toMatchObject({ kind: "input", code: "region_missing" });
  const nowhere = { ...options, endpoint: "http://127.0.0.1:1" };
  await expect(openS3Blobs({ ...nowhere, region: "eu-central-1" })).rejects.toMatchObject({
    kind: "busy",
    code: "blobs_busy",
  });
  environment({ AWS_REGION: "eu-central-1" });
  await expect(openS3Blobs(nowhere)).rejects.toMatchObject({ kind: "input", code: "blobs_denied" });
});

test("without credentials to sign with, a URL is refused like a call", async () => {
  environment({ ...KEYS, AWS_REGION: "eu-central-1" });
  await using server = await startTinyServer();
  const options = { endpoint: server.url.href, bucket: "photos", clock: systemClock };
  await using blobs = await openS3Blobs(options);
  environment({ AWS_REGION: "eu-central-1" });
  const signing = blobs.signGet({ key: "k", expiresAt: Date.now() + 60_000 });
  await expect(signing).rejects.toMatchObject({ kind: "input", code: "blobs_denied" });
});

test("a bucket of another region refuses the start, in whichever way S3 says so", async () => {
  environment({ ...KEYS, AWS_REGION: "eu-central-1" });
  for (const status of [301, 400]) {
    const headers = { "x-amz-bucket-region": "us-west-2" };
    await using server = await startTinyServer(() => ({ status, headers }));
    const options = { endpoint: server.url.href, bucket: "photos", clock: systemClock };
    await expect(openS3Blobs(options)).rejects.toMatchObject({ kind: "input", code: "blobs_missing" });
    expect(server.seen).toHaveLength(1);
  }
});

test.skipIf(!s3.isHere)("a bucket that is not there, or a wrong key, refuses the start by name", async () => {
  const bucket = "photokeep-test-none-such";
  const options = { ...s3.options, bucket, clock: systemClock };
  await expect(openS3Blobs(options)).rejects.toMatchObject({
    kind: "input",
    code: "blobs_missing",
    message: `There is no bucket ${bucket} in this account and region; check its name and AWS_REGION.`,
  });
  await using there = await temporaryBucket();
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "wrong");
  try {
    const opening = openS3Blobs({ ...options, bucket: there.bucket });
    await expect(opening).rejects.toMatchObject({ kind: "input", code: "blobs_denied" });
    await expect(opening).rejects.toThrow(there.bucket);
  } finally {
    vi.unstubAllEnvs();
  }
});

test.skipIf(!s3.isHere)("a bucket may be created and removed again and again", async () => {
  await using there = await temporaryBucket();
  await createS3Bucket(s3.options, there.bucket);
  await there.blobs.write("a/b", Buffer.from("kept"), "image/png");
  await createS3Bucket(s3.options, there.bucket);
  expect(Buffer.from(await there.blobs.read("a/b")).toString()).toBe("kept");
  for (let times = 0; times < 2; times++) await deleteS3Bucket(s3.options, there.bucket);
  await createS3Bucket(s3.options, there.bucket);
  expect((await there.blobs.list("", { limit: 1 })).rows).toEqual([]);
});

test.skipIf(!s3.isHere)("every call is told of once, and signing calls nobody", async () => {
  const calls: AwsCall[] = [];
  await using there = await temporaryBucket({ onCall: (call) => calls.push(call) });
  const { blobs } = there;
  await blobs.write("k", Buffer.from("x"), "image/png");
  await blobs.head("k");
  await blobs.read("k");
  await blobs.copy("k", "copy");
  await blobs.list("", { limit: 2 });
  await blobs.delete("k");
  await blobs.signGet({ key: "k", expiresAt: Date.now() + 60_000 });
  await expect(blobs.read("k")).rejects.toMatchObject({ code: "blob_missing" });
  expect(new Set(calls.map(({ service, attempts }) => `${service} ${attempts}`))).toEqual(new Set(["s3 1"]));
  expect(calls.map(({ operation }) => operation)).toEqual([
    "HeadBucket",
    "PutObject",
    "HeadObject",
    "GetObject",
    "HeadObject",
    "HeadObject",
    "CopyObject",
    "ListObjectsV2",
    "DeleteObject",
    "GetObject",
  ]);
});

test.skipIf(!s3.isHere)("a client cannot plant a checksum that nobody verified", async () => {
  await using there = await temporaryBucket();
  const slot = { key: "k", contentType: "image/png", bytes: 1, expiresAt: Date.now() + 60_000 };
  const signed = await there.blobs.signPut(slot);
  const headers = { ...signed.headers, "x-amz-meta-sha256": SHA256 };
  expect((await send({ ...signed, headers }, Buffer.from("x"))).status).toBe(403);
  expect(await there.blobs.head("k")).toBeUndefined();
});
