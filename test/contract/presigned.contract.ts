import { createHash } from "node:crypto";
import { request } from "node:http";
import { join } from "node:path";
import { expect } from "vitest";
import type { Blobs, PutSlot, SignedRequest } from "#shared/ports.ts";
import { type EngineLimits, promisesOf } from "./promise.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface PresignedFixture {
  /** Its signed URLs lead to a server that listens. */
  readonly blobs: Blobs;
  /** The server's time. */
  readonly now: () => number;
  /** Lets time pass: by hand, or by waiting where the engine has a clock of its own. */
  readonly advance: (ms: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

const BODY = Buffer.from("a photograph");
const SHA256 = createHash("sha256").update(BODY).digest("hex");

/** Sends exactly these headers: `fetch` would correct what a hostile client leaves wrong. */
export function send(
  to: { method: string; url: string; headers?: object },
  body?: Uint8Array,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sending = request(to.url, { method: to.method, headers: { ...to.headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
    sending.on("error", reject);
    sending.end(body);
  });
}

/** Every promise of the Blobs port about signed URLs, over real HTTP. */
export function presignedContract(
  name: string,
  open: () => Promise<PresignedFixture>,
  limits: EngineLimits = {},
): void {
  const promise = promisesOf(name, open, limits);

  promise("an upload as agreed is stored with the type agreed", async (fixture) => {
    const asked = slot(fixture, { sha256: SHA256 });
    const signed = await fixture.blobs.signPut(asked);
    expect(signed).toMatchObject({ method: "PUT", expiresAt: asked.expiresAt });
    expect((await send(signed, BODY)).status).toBe(200);
    expect(await fixture.blobs.head("in/photo")).toEqual({
      key: "in/photo",
      bytes: BODY.length,
      sha256: SHA256,
      contentType: "image/jpeg",
    });
  });

  promise("an upload without a checksum agreed is stored as well", async (fixture) => {
    expect((await send(await fixture.blobs.signPut(slot(fixture)), BODY)).status).toBe(200);
    expect(await fixture.blobs.head("in/photo")).toMatchObject({ bytes: BODY.length });
    expect(await read(fixture)).toEqual(BODY);
  });

  promise(
    "an upload without a checksum agreed is known by it once it is downloaded or copied",
    async (fixture) => {
      const { blobs } = fixture;
      expect((await send(await blobs.signPut(slot(fixture)), BODY)).status).toBe(200);
      await using folder = await temporaryFolder();
      const info = { key: "in/photo", bytes: BODY.length, sha256: SHA256, contentType: "image/jpeg" };
      expect(await blobs.download("in/photo", join(folder.path, "out"))).toEqual(info);
      await blobs.copy("in/photo", "copy");
      expect(await blobs.head("copy")).toEqual({ ...info, key: "copy" });
      expect(await blobs.copy("in/photo", "copy")).toEqual({ ...info, key: "copy" });
      expect(await blobs.write("in/photo", BODY, "image/jpeg")).toEqual(info);
      const other = blobs.write("in/photo", Buffer.from("b photograph"), "image/jpeg");
      await expect(other).rejects.toMatchObject({ code: "blob_exists" });
    },
  );

  promise("an upload of another length is refused, shorter or longer", async (fixture) => {
    const signed = await fixture.blobs.signPut(slot(fixture));
    for (const body of [BODY.subarray(1), Buffer.concat([BODY, BODY])]) {
      const headers = { ...signed.headers, "content-length": String(body.length) };
      expect((await send({ ...signed, headers }, body)).status).toBe(403);
    }
    expect(await fixture.blobs.head("in/photo")).toBeUndefined();
  });

  promise("an upload that names no length is refused", async (fixture) => {
    const signed = await fixture.blobs.signPut(slot(fixture));
    const { "content-length": _, ...headers } = signed.headers;
    const answer = await send({ ...signed, headers: { ...headers, "transfer-encoding": "chunked" } }, BODY);
    expect([403, 411]).toContain(answer.status);
    expect(await fixture.blobs.head("in/photo")).toBeUndefined();
  });

  promise("an upload of another type, or of none, is refused", async (fixture) => {
    const signed = await fixture.blobs.signPut(slot(fixture));
    const { "content-type": _, ...untyped } = signed.headers;
    expect((await send({ ...signed, headers: untyped }, BODY)).status).toBe(403);
    const headers = { ...signed.headers, "content-type": "text/html" };
    expect((await send({ ...signed, headers }, BODY)).status).toBe(403);
    expect(await fixture.blobs.head("in/photo")).toBeUndefined();
  });

  promise("other bytes than those of the checksum are refused and not kept", async (fixture) => {
    const signed = await fixture.blobs.signPut(slot(fixture, { sha256: SHA256 }));
    const answer = await send(signed, Buffer.from("b photograph"));
    expect(answer.status).toBe(400);
    expect(answer.body.toString()).toContain("<Code>BadDigest</Code>");
    expect(await fixture.blobs.head("in/photo")).toBeUndefined();
    expect((await send(signed, BODY)).status).toBe(200);
  });

  promise("another checksum than the one signed is refused", async (fixture) => {
    const signed = await fixture.blobs.signPut(slot(fixture, { sha256: SHA256 }));
    const other = Buffer.from("b photograph");
    const checksum = createHash("sha256").update(other).digest("base64");
    const { "x-amz-checksum-sha256": _, ...without } = signed.headers;
    expect(
      (await send({ ...signed, headers: { ...without, "x-amz-checksum-sha256": checksum } }, other)).status,
    ).toBe(403);
    expect((await send({ ...signed, headers: without }, other)).status).toBe(403);
    expect(await fixture.blobs.head("in/photo")).toBeUndefined();
  });

  promise("a second upload to a key is refused, even of the same bytes", async (fixture) => {
    const signed = await fixture.blobs.signPut(slot(fixture));
    expect((await send(signed, BODY)).status).toBe(200);
    for (const body of [BODY, Buffer.from("b photograph")]) {
      const answer = await send(signed, body);
      expect(answer.status).toBe(412);
      expect(answer.body.toString()).toContain("<Code>PreconditionFailed</Code>");
    }
    expect(await read(fixture)).toEqual(BODY);
  });

  promise("an upload that leaves out the condition of a free key is refused", async (fixture) => {
    const signed = await fixture.blobs.signPut(slot(fixture));
    const { "if-none-match": _, ...headers } = signed.headers;
    expect((await send({ ...signed, headers }, BODY)).status).toBe(403);
  });

  promise("twenty uploads at once have exactly one winner", async (fixture) => {
    const signed = await fixture.blobs.signPut(slot(fixture));
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        send(signed, Buffer.from(`photograph ${String.fromCharCode(97 + i)}`)),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    // 409 is S3's answer where a rival is still under way.
    expect(answers.filter(({ status }) => status === 412 || status === 409)).toHaveLength(19);
    expect(await fixture.blobs.head("in/photo")).toMatchObject({ bytes: BODY.length });
  });

  promise("an expired URL is refused, for upload and download", async (fixture) => {
    await fixture.blobs.write("there", BODY, "image/jpeg");
    const expiresAt = fixture.now() + 1_000;
    const put = await fixture.blobs.signPut(slot(fixture, { expiresAt }));
    const got = await fixture.blobs.signGet({ key: "there", expiresAt });
    await fixture.advance(2_000);
    for (const [signed, body] of [
      [put, BODY],
      [got, undefined],
    ] as const) {
      const answer = await send(signed, body);
      expect(answer.status).toBe(403);
      expect(answer.body.toString()).toContain("<Code>AccessDenied</Code>");
    }
    expect(await fixture.blobs.head("in/photo")).toBeUndefined();
  });

  promise("a URL serves one method alone", async (fixture) => {
    await fixture.blobs.write("there", BODY, "image/jpeg");
    const put = await fixture.blobs.signPut(slot(fixture));
    const got = await get(fixture, "there");
    // 405 where no request of this method has a meaning.
    for (const method of ["GET", "DELETE", "POST"])
      expect([403, 405]).toContain((await send({ method, url: put.url })).status);
    for (const method of ["DELETE", "POST"])
      expect([403, 405]).toContain((await send({ method, url: got.url })).status);
    expect((await send({ method: "PUT", url: got.url, headers: put.headers }, BODY)).status).toBe(403);
    expect(await fixture.blobs.head("there")).toMatchObject({ sha256: SHA256 });
  });

  promise("a URL that was tampered with is refused, whatever part it was", async (fixture) => {
    await fixture.blobs.write("in/photo", BODY, "image/jpeg");
    await fixture.blobs.write("in/other", BODY, "image/jpeg");
    const signed = await get(fixture);
    const url = new URL(signed.url);
    const tampered = [
      signed.url.replace("photo", "other"),
      `${signed.url}&extra=1`,
      signed.url.split("?")[0] ?? "",
    ];
    for (const name of url.searchParams.keys()) {
      const changed = new URL(url);
      const value = changed.searchParams.get(name) ?? "";
      changed.searchParams.set(name, /^\d+$/.test(value) ? String(Number(value) + 1) : `${value}0`);
      tampered.push(changed.href);
    }
    for (const url of tampered) {
      const { status } = await send({ method: "GET", url });
      expect(status, url).toBeGreaterThanOrEqual(400);
      expect(status, url).toBeLessThan(500);
    }
    expect((await send(signed)).status).toBe(200);
  });

  promise("a download shows the bytes with their type, whole", async (fixture) => {
    await fixture.blobs.write("in/photo", BODY, "image/jpeg");
    const answer = await send(await get(fixture));
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(BODY);
    expect(answer.headers).toMatchObject({
      "content-type": "image/jpeg",
      "content-length": String(BODY.length),
    });
    expect(answer.headers["etag"]).toMatch(/^".+"$/);
  });

  promise("a download with a name is saved under it, exactly", async (fixture) => {
    await fixture.blobs.write("in/photo", BODY, "image/jpeg");
    const fileName = 'Großmutter "1923"; (2)/ü.jpg';
    const signed = await fixture.blobs.signGet({
      key: "in/photo",
      expiresAt: fixture.now() + 60_000,
      fileName,
    });
    const disposition = String((await send(signed)).headers["content-disposition"]);
    expect(disposition).toMatch(/^attachment; filename="[ -~]*"; filename\*=UTF-8''/);
    expect(decodeURIComponent(disposition.split("''")[1] ?? "")).toBe(fileName);
    expect(disposition.split('"')).toHaveLength(3);
  });

  promise("a download of a missing key is answered as missing", async (fixture) => {
    const answer = await send(await get(fixture, "none"));
    expect(answer.status).toBe(404);
    expect(answer.body.toString()).toContain("<Code>NoSuchKey</Code>");
  });

  promise("parts of an object are served by range", async (fixture) => {
    await fixture.blobs.write("in/photo", Buffer.from("0123456789"), "image/jpeg");
    const { url } = await get(fixture);
    const part = async (range: string) => send({ method: "GET", url, headers: { range } });
    for (const [range, content, bytes] of [
      ["bytes=0-3", "bytes 0-3/10", "0123"],
      ["bytes=7-", "bytes 7-9/10", "789"],
      ["bytes=-2", "bytes 8-9/10", "89"],
      ["bytes=9-200", "bytes 9-9/10", "9"],
      ["bytes=-200", "bytes 0-9/10", "0123456789"],
    ] as const) {
      const answer = await part(range);
      expect([answer.status, answer.body.toString()], range).toEqual([206, bytes]);
      expect(answer.headers).toMatchObject({
        "content-range": content,
        "content-length": String(bytes.length),
      });
    }
    for (const range of ["bytes=10-", "bytes=50-60"]) expect((await part(range)).status, range).toBe(416);
  });
}

function slot(fixture: PresignedFixture, rest: Partial<PutSlot> = {}): PutSlot {
  const expiresAt = fixture.now() + 60_000;
  return { key: "in/photo", contentType: "image/jpeg", bytes: BODY.length, expiresAt, ...rest };
}

async function read({ blobs }: PresignedFixture): Promise<Buffer> {
  return Buffer.from(await blobs.read("in/photo"));
}

async function get({ blobs, now }: PresignedFixture, key = "in/photo"): Promise<SignedRequest> {
  return blobs.signGet({ key, expiresAt: now() + 60_000 });
}
