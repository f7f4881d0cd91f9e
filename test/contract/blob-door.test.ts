import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createBlobDoor } from "#shared/adapters/blob-door.ts";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryBlobs } from "#shared/adapters/memory-blobs.ts";
import { createUrlSigner } from "#shared/adapters/url-signer.ts";
import type { SignedRequest } from "#shared/ports.ts";

const baseUrl = "http://localhost:1";
const signer = createUrlSigner({ secret: Buffer.alloc(32, 7), baseUrl });
const clock = createManualClock();
const expiresAt = clock.now() + 1_000;

function requestOf({ method, url, headers }: SignedRequest, body: ReadableStream<Uint8Array>): Request {
  return new Request(url, { method, headers, body, duplex: "half" });
}

test("more uploads at once than the door can bear are asked to come back, and room made by one serves the next", async () => {
  const door = createBlobDoor({ blobs: createMemoryBlobs({ signer }), signer, clock });
  const begin = async (key: string) => {
    const signed = await signer.signPut({ key, contentType: "image/png", bytes: 1, expiresAt });
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const answer = door(requestOf(signed, readable));
    const finish = async () => {
      const writer = writable.getWriter();
      await writer.write(new Uint8Array(1));
      await writer.close();
    };
    return { finish, answer };
  };
  const uploads: { finish: () => Promise<void>; answer: Promise<Response> }[] = [];
  for (let i = 0; i < 64; i++) uploads.push(await begin(`k${i}`));
  const refused = await (await begin("one-more")).answer;
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
  await uploads[0]?.finish();
  await uploads[0]?.answer;
  uploads.push(await begin("one-more"));
  await Promise.all(uploads.slice(1).map((upload) => upload.finish()));
  for (const { answer } of uploads) expect((await answer).status).toBe(200);
});

test("an upload is answered only after its arrival was told, and a failure to tell is no success", async () => {
  const told: string[] = [];
  const blobs = createMemoryBlobs({ signer });
  const onStored = async (key: string) => {
    expect(await blobs.head(key)).toBeDefined();
    told.push(key);
    throw new Error("the store is down");
  };
  const door = createBlobDoor({ blobs, signer, clock, onStored });
  const signed = await signer.signPut({ key: "k", contentType: "image/png", bytes: 1, expiresAt });
  await expect(door(requestOf(signed, new Blob(["x"]).stream()))).rejects.toThrow("the store is down");
  expect(told).toEqual(["k"]);
});

test("an upload to a taken key is refused before its body has come", async () => {
  const blobs = createMemoryBlobs({ signer });
  const door = createBlobDoor({ blobs, signer, clock });
  await blobs.write("k", Buffer.from("first"), "image/png");
  const signed = await signer.signPut({ key: "k", contentType: "image/png", bytes: 9, expiresAt });
  const { readable } = new TransformStream<Uint8Array, Uint8Array>();
  expect((await door(requestOf(signed, readable))).status).toBe(412);
});

test("a body that ends too early or too late is refused and not kept, where the server passes it on", async () => {
  const blobs = createMemoryBlobs({ signer });
  const door = createBlobDoor({ blobs, signer, clock });
  const signed = await signer.signPut({ key: "k", contentType: "image/png", bytes: 3, expiresAt });
  for (const [body, code] of [
    ["xx", "IncompleteBody"],
    ["xxxx", "EntityTooLarge"],
  ] as const) {
    const answer = await door(requestOf(signed, new Blob([body]).stream()));
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(`<Code>${code}</Code>`);
  }
  expect(await blobs.head("k")).toBeUndefined();
});

test("what stands beside the blobs is out of reach, and a header that was not signed is refused as S3 does", async () => {
  const door = createBlobDoor({ blobs: createMemoryBlobs({ signer }), signer, clock });
  const { url } = await signer.signGet({ key: "a/k", expiresAt });
  for (const [path, status] of [
    ["/blobs/", 403],
    ["/blobs/../store.db", 400],
    ["/blobs/a//k", 403],
    ["/blobs/a/%00", 403],
    ["/blobs/a%2f..%2fk", 403],
    ["/blobs/%", 400],
    ["/other/a/k", 400],
  ] as const) {
    const answer = await door(new Request(`${baseUrl}${path}${new URL(url).search}`));
    expect(answer.status, path).toBe(status);
  }
  const extra = await door(new Request(url, { headers: { "x-amz-acl": "public-read" } }));
  expect(extra.status).toBe(403);
});

test("URLs of one secret are worth nothing under another", async () => {
  const other = createUrlSigner({ secret: Buffer.alloc(32, 8), baseUrl });
  const { method, url } = await signer.signGet({ key: "k", expiresAt });
  const request = { method, url, headers: new Headers() };
  expect(signer.verify(request, clock.now())).toMatchObject({ ok: true, grant: { key: "k" } });
  expect(other.verify(request, clock.now())).toMatchObject({
    ok: false,
    status: 403,
    code: "SignatureDoesNotMatch",
  });
  expect(() => createUrlSigner({ secret: Buffer.alloc(31), baseUrl })).toThrow("invariant broken");
});

test("a header that says the body is not signed may be sent unsigned, as SDKs do", async () => {
  const blobs = createMemoryBlobs({ signer });
  const door = createBlobDoor({ blobs, signer, clock });
  const signed = await signer.signPut({ key: "k", contentType: "image/png", bytes: 1, expiresAt });
  const headers = { ...signed.headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };
  expect((await door(requestOf({ ...signed, headers }, new Blob(["x"]).stream()))).status).toBe(200);
});

test("an upload with its own Content-MD5 is stored, and one with another's is not kept", async () => {
  const blobs = createMemoryBlobs({ signer });
  const door = createBlobDoor({ blobs, signer, clock });
  const signed = await signer.signPut({ key: "k", contentType: "image/png", bytes: 1, expiresAt });
  const answerTo = (body: string) => {
    const headers = { ...signed.headers, "content-md5": createHash("md5").update("x").digest("base64") };
    return door(requestOf({ ...signed, headers }, new Blob([body]).stream()));
  };
  expect((await answerTo("y")).status).toBe(400);
  expect(await blobs.head("k")).toBeUndefined();
  expect((await answerTo("x")).status).toBe(200);
});

test("a condition may name several versions, or any", async () => {
  const blobs = createMemoryBlobs({ signer });
  const door = createBlobDoor({ blobs, signer, clock });
  const { sha256 } = await blobs.write("k", Buffer.from("x"), "image/png");
  const { url } = await signer.signGet({ key: "k", expiresAt });
  for (const [name, value, status] of [
    ["if-match", `"other", "${sha256}"`, 200],
    ["if-match", "*", 200],
    ["if-match", '"other", "another"', 412],
    ["if-none-match", `"other", "${sha256}"`, 304],
    ["if-none-match", "*", 304],
    ["if-none-match", '"other"', 200],
  ] as const) {
    const answer = await door(new Request(url, { headers: { [name]: value } }));
    expect(answer.status, `${name}: ${value}`).toBe(status);
  }
});

test("a method that the door does not have is refused with those it has", async () => {
  const door = createBlobDoor({ blobs: createMemoryBlobs({ signer }), signer, clock });
  const { url } = await signer.signGet({ key: "k", expiresAt });
  const answer = await door(new Request(url, { method: "POST" }));
  expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD, PUT"]);
});
