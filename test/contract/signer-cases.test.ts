/**
 * What presigned URLs refuse, case by case, as S3 documents it: status and error code. Every case runs on the local door
 * and on S3 itself, or on the server that stands in for it; where that one answers otherwise, the case says so.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { createFileBlobs } from "#shared/adapters/file-blobs.ts";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import type { Blobs, PutSlot, SignedRequest } from "#shared/ports.ts";
import { serveBlobs } from "./blob-server.ts";
import { type Answer, send } from "./presigned.contract.ts";
import { s3, temporaryBucket } from "./s3-engine.ts";
import { temporaryFolder } from "./temporary-folder.ts";

interface Site {
  readonly blobs: Blobs;
  readonly now: () => number;
  readonly advance: (ms: number) => Promise<void>;
  /** The parameters of its URLs that carry the signature. */
  readonly names: { readonly expires: string; readonly signature: string; readonly signedHeaders: string };
}

/** Status and code; a status alone where S3 sends no body. */
type Outcome = readonly [status: number, code?: string];

interface Case {
  readonly ask: (site: Site) => Promise<Answer>;
  readonly answer: Outcome;
  /** What versitygw answers instead. */
  readonly versitygw?: Outcome;
}

type Change = (
  signed: SignedRequest,
  site: Site,
) => Partial<Record<"method" | "url", string>> & {
  readonly headers?: Readonly<Record<string, string>>;
};

const BODY = Buffer.from("a photograph");
const OTHER = Buffer.from("b photograph");
const digest = (algorithm: string, bytes: Uint8Array) => createHash(algorithm).update(bytes);
const SHA256 = digest("sha256", BODY).digest("hex");

/** An upload to the free key `in/photo`, as signed but for what the case changes. */
function upload(change: Change, body = BODY) {
  return async (site: Site): Promise<Answer> => {
    const signed = await site.blobs.signPut(slot(site));
    return send({ ...signed, ...change(signed, site) }, body);
  };
}

/** A download of the stored object `there`, as signed but for what the case changes. */
function download(change: Change, key = "there") {
  return async (site: Site): Promise<Answer> => {
    const signed = await site.blobs.signGet({ key, expiresAt: site.now() + 60_000 });
    return send({ ...signed, ...change(signed, site) });
  };
}

function slot(site: Site, rest: Partial<PutSlot> = {}): PutSlot {
  const expiresAt = site.now() + 60_000;
  return {
    key: "in/photo",
    contentType: "image/jpeg",
    bytes: BODY.length,
    sha256: SHA256,
    expiresAt,
    ...rest,
  };
}

function withHeaders(headers: Readonly<Record<string, string>>) {
  return (signed: SignedRequest) => ({ headers: { ...signed.headers, ...headers } });
}

function withoutHeader(name: string) {
  return ({ headers }: SignedRequest) => ({
    headers: Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name)),
  });
}

/** @param change of the parameter's value; undefined takes it away. */
function withParameter(name: keyof Site["names"], change: (value: string) => string | undefined) {
  return ({ url }: SignedRequest, { names }: Site) => {
    const changed = new URL(url);
    const value = change(changed.searchParams.get(names[name]) ?? "");
    if (value === undefined) changed.searchParams.delete(names[name]);
    else changed.searchParams.set(names[name], value);
    return { url: changed.href };
  };
}

function withPath(from: string, to: string) {
  return ({ url }: SignedRequest) => ({ url: url.replace(from, to) });
}

async function expired(site: Site, signed: Promise<SignedRequest>, body?: Uint8Array): Promise<Answer> {
  const request = await signed;
  await site.advance(2_100);
  return send(request, body);
}

const MISMATCH: Outcome = [403, "SignatureDoesNotMatch"];
const DENIED: Outcome = [403, "AccessDenied"];
const HALF_SIGNED: Outcome = [400, "AuthorizationQueryParametersError"];

const CASES: Readonly<Record<string, Case>> = {
  "an upload that is shorter": {
    ask: upload(withHeaders({ "content-length": "11" }), BODY.subarray(1)),
    answer: MISMATCH,
  },
  "an upload that is longer": {
    ask: upload(withHeaders({ "content-length": "24" }), Buffer.concat([BODY, BODY])),
    answer: MISMATCH,
  },
  "an upload that names no length": {
    ask: upload((signed) => {
      const { headers } = withoutHeader("content-length")(signed);
      return { headers: { ...headers, "transfer-encoding": "chunked" } };
    }),
    answer: [411, "MissingContentLength"],
    versitygw: MISMATCH,
  },
  "an upload of another type": {
    ask: upload(withHeaders({ "content-type": "text/html" })),
    answer: MISMATCH,
  },
  "an upload of no type": { ask: upload(withoutHeader("content-type")), answer: MISMATCH },
  "an upload of other bytes than those of its checksum": {
    ask: upload(() => ({}), OTHER),
    answer: [400, "BadDigest"],
  },
  "an upload with the checksum of other bytes": {
    ask: upload(withHeaders({ "x-amz-checksum-sha256": digest("sha256", OTHER).digest("base64") }), OTHER),
    answer: MISMATCH,
  },
  "an upload that leaves out its checksum": {
    ask: upload(withoutHeader("x-amz-checksum-sha256")),
    answer: MISMATCH,
  },
  "an upload with a checksum that was not agreed": {
    ask: async (site) => {
      const { bytes, key, contentType, expiresAt } = slot(site);
      const signed = await site.blobs.signPut({ bytes, key, contentType, expiresAt });
      const checksum = digest("sha256", BODY).digest("base64");
      return send({ ...signed, ...withHeaders({ "x-amz-checksum-sha256": checksum })(signed) }, BODY);
    },
    answer: DENIED,
  },
  "an upload with the Content-MD5 of other bytes": {
    ask: upload(withHeaders({ "content-md5": digest("md5", OTHER).digest("base64") })),
    answer: [400, "BadDigest"],
  },
  "an upload with a Content-MD5 that is none": {
    ask: upload(withHeaders({ "content-md5": "none" })),
    answer: [400, "InvalidDigest"],
  },
  "an upload without its condition of a free key": {
    ask: upload(withoutHeader("if-none-match")),
    answer: MISMATCH,
  },
  "an upload with another condition": {
    ask: upload(withHeaders({ "if-none-match": '"etag"' })),
    answer: MISMATCH,
  },
  "an upload with an Amazon header that was not signed": {
    ask: upload(withHeaders({ "x-amz-acl": "public-read" })),
    answer: DENIED,
  },
  "an upload with metadata that was not signed": {
    ask: upload(withHeaders({ "x-amz-meta-owner": "me" })),
    answer: DENIED,
  },
  "an upload to another key": { ask: upload(withPath("photo", "other")), answer: MISMATCH },
  "an upload by the URL of a download": {
    ask: download((_, site) => ({
      method: "PUT",
      headers: { "content-length": "0" },
      expiresAt: site.now(),
    })),
    answer: MISMATCH,
  },
  "an upload that has expired": {
    ask: async (site) =>
      expired(site, site.blobs.signPut(slot(site, { expiresAt: site.now() + 1_000 })), BODY),
    answer: DENIED,
  },
  "a second upload of the same bytes": {
    ask: async (site) => {
      await site.blobs.write("in/photo", BODY, "image/jpeg");
      return upload(() => ({}))(site);
    },
    answer: [412, "PreconditionFailed"],
  },
  "a second upload of other bytes": {
    ask: async (site) => {
      await site.blobs.write("in/photo", OTHER, "image/jpeg");
      return upload(() => ({}))(site);
    },
    answer: [412, "PreconditionFailed"],
  },
  "a download by the URL of an upload": {
    ask: upload(() => ({ method: "GET", headers: {} }), Buffer.alloc(0)),
    answer: MISMATCH,
  },
  "a look at the head by the URL of a download": {
    ask: download(() => ({ method: "HEAD" })),
    answer: [403],
  },
  "a deletion by the URL of a download": { ask: download(() => ({ method: "DELETE" })), answer: MISMATCH },
  "a method that objects do not have": {
    ask: download(() => ({ method: "PATCH" })),
    answer: [405, "MethodNotAllowed"],
  },
  "a download of another key": { ask: download(withPath("there", "other")), answer: MISMATCH },
  "a download of a missing key": { ask: download(() => ({}), "none"), answer: [404, "NoSuchKey"] },
  "a download with an Amazon header that was not signed": {
    ask: download(withHeaders({ "x-amz-request-payer": "requester" })),
    answer: DENIED,
  },
  "a download that has expired": {
    ask: (site) => expired(site, site.blobs.signGet({ key: "there", expiresAt: site.now() + 1_000 })),
    answer: DENIED,
  },
  "a download of bytes behind the end": {
    ask: download(withHeaders({ range: "bytes=12-" })),
    answer: [416, "InvalidRange"],
  },
  "a download of the last no bytes": {
    ask: download(withHeaders({ range: "bytes=-0" })),
    answer: [416, "InvalidRange"],
  },
  "a download of another version": {
    ask: download(withHeaders({ "if-match": '"other"' })),
    answer: [412, "PreconditionFailed"],
  },
  "a download of a version that is known": {
    ask: async (site) => {
      const etag = String((await download(() => ({}))(site)).headers["etag"]);
      return download(withHeaders({ "if-none-match": etag }))(site);
    },
    answer: [304],
  },
  "a URL that names a later end": {
    ask: download(withParameter("expires", (value) => String(Number(value) + 1))),
    answer: MISMATCH,
  },
  "a URL whose end is no number": {
    ask: download(withParameter("expires", () => "never")),
    answer: HALF_SIGNED,
  },
  "a URL with another signature": {
    ask: download(withParameter("signature", (value) => value.replace(/^./, (c) => (c === "0" ? "1" : "0")))),
    answer: MISMATCH,
  },
  "a URL with half a signature": {
    ask: download(withParameter("signature", (value) => value.slice(0, 32))),
    answer: MISMATCH,
  },
  "a URL without its signature": {
    ask: download(withParameter("signature", () => undefined)),
    answer: HALF_SIGNED,
  },
  "a URL without its end": { ask: download(withParameter("expires", () => undefined)), answer: HALF_SIGNED },
  "a URL without its signed headers": {
    ask: upload(withParameter("signedHeaders", () => undefined)),
    answer: HALF_SIGNED,
  },
  "a URL with fewer signed headers": {
    ask: upload(withParameter("signedHeaders", (value) => value.replace("content-type;", ""))),
    answer: MISMATCH,
  },
  "a URL with nothing behind its path": {
    ask: download(({ url }) => ({ url: url.split("?")[0] ?? "" })),
    answer: DENIED,
  },
  "a URL with a parameter more": {
    ask: download(({ url }) => ({ url: `${url}&extra=1` })),
    answer: MISMATCH,
  },
  "a URL that saves under another name": {
    ask: download(({ url }) => ({ url: url.replace("disposition=inline", "disposition=attachment") })),
    answer: MISMATCH,
  },
  "a URL whose path cannot be read": {
    ask: download(withPath("there", "the%re")),
    answer: [400, "InvalidURI"],
    versitygw: [500, "InternalError"],
  },
  "a URL whose key is too long": {
    ask: download(withPath("there", "x".repeat(1_025))),
    answer: [400, "KeyTooLongError"],
    versitygw: MISMATCH,
  },
};

function outcomeOf({ status, body }: Answer): Outcome {
  const code = /<Code>(\w+)<\/Code>/.exec(body.toString())?.[1];
  return code === undefined ? [status] : [status, code];
}

async function judge(site: Site, { ask }: Case): Promise<Outcome> {
  await site.blobs.write("there", BODY, "image/jpeg");
  await site.blobs.write("other", OTHER, "image/jpeg");
  const before = await keysOf(site);
  const answer = await ask(site);
  // A second upload alone finds something there, and that was put by the case itself.
  const kept = answer.status === 412 ? ["in/photo"] : [];
  expect((await keysOf(site)).filter((key) => !before.includes(key) && !kept.includes(key))).toEqual([]);
  return outcomeOf(answer);
}

async function keysOf({ blobs }: Site): Promise<readonly string[]> {
  return (await blobs.list("", { limit: 10 })).rows;
}

for (const [what, one] of Object.entries(CASES)) {
  const byS3 = s3.isReal ? one.answer : (one.versitygw ?? one.answer);

  test(`the local door answers ${one.answer.join(" ")} to ${what}`, async () => {
    await using folder = await temporaryFolder();
    const clock = createManualClock();
    const root = join(folder.path, "blobs");
    const server = await serveBlobs(clock, (signer) =>
      createFileBlobs({ root, signer, entropy: systemEntropy, fsync: false }),
    );
    const names = { expires: "expires", signature: "signature", signedHeaders: "signed-headers" };
    try {
      const site = { ...server, names, now: () => clock.now(), advance: (ms: number) => clock.advance(ms) };
      expect(await judge(site, one)).toEqual(one.answer);
    } finally {
      await server.close();
    }
  });

  test.skipIf(!s3.isHere)(`S3 answers ${byS3.join(" ")} to ${what}`, async () => {
    await using bucket = await temporaryBucket();
    const names = {
      expires: "X-Amz-Expires",
      signature: "X-Amz-Signature",
      signedHeaders: "X-Amz-SignedHeaders",
    };
    const advance = (ms: number): Promise<void> => setTimeout(ms);
    const site = { ...bucket, names, advance, now: () => Date.now() };
    expect(await judge(site, one)).toEqual(byS3);
  });
}
