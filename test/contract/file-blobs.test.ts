import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createFileBlobs, type FileBlobs } from "#shared/adapters/file-blobs.ts";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { createUrlSigner } from "#shared/adapters/url-signer.ts";
import { blobsContract } from "./blobs.contract.ts";
import { serveBlobs } from "./blob-server.ts";
import { presignedContract, send } from "./presigned.contract.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const PNG = "image/png";
const signer = createUrlSigner({ secret: Buffer.alloc(32, 7), baseUrl: "http://localhost" });

function openBlobs(root: string, rest: { readonly fsync?: boolean } = {}): Promise<FileBlobs> {
  return createFileBlobs({ root, entropy: systemEntropy, signer, fsync: false, ...rest });
}

for (const fsync of [false, true]) {
  blobsContract(fsync ? "file blobs with fsync" : "file blobs", async () => {
    const folder = await temporaryFolder();
    return {
      blobs: await openBlobs(folder.path, { fsync }),
      close: async () => folder[Symbol.asyncDispose](),
    };
  });
}

async function serve() {
  const folder = await temporaryFolder();
  const clock = createManualClock();
  const server = await serveBlobs(clock, (signer) =>
    createFileBlobs({ root: folder.path, entropy: systemEntropy, signer, fsync: false }),
  );
  const close = async () => {
    await server.close();
    await folder[Symbol.asyncDispose]();
  };
  return {
    ...server,
    root: folder.path,
    now: () => clock.now(),
    advance: (ms: number) => clock.advance(ms),
    close,
  };
}

presignedContract("file blobs", serve);

/** Every file below the folder. */
async function filesOf(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test("what was written is there when the folder is opened again", async () => {
  await using folder = await temporaryFolder();
  await (await openBlobs(folder.path)).write("a/b", Buffer.from("kept"), PNG);
  const blobs = await openBlobs(folder.path);
  expect(Buffer.from(await blobs.read("a/b")).toString()).toBe("kept");
});

test("a file on the same device goes in and out without being copied", async () => {
  await using folder = await temporaryFolder();
  const blobs = await openBlobs(join(folder.path, "blobs"));
  const [source, target] = [join(folder.path, "in"), join(folder.path, "out")];
  await writeFile(source, "content");
  await blobs.upload("k", source, { contentType: PNG });
  await blobs.download("k", target);
  expect((await stat(target)).ino).toBe((await stat(source)).ino);
});

test("a copy on the same device shares its source's bytes", async () => {
  await using folder = await temporaryFolder();
  const blobs = await openBlobs(join(folder.path, "blobs"));
  await blobs.write("k", Buffer.from("content"), PNG);
  await blobs.copy("k", "copy");
  for (const key of ["k", "copy"]) await blobs.download(key, join(folder.path, key));
  const [source, copy] = [await stat(join(folder.path, "k")), await stat(join(folder.path, "copy"))];
  expect(copy.ino).toBe(source.ino);
  await blobs.copy("k", "copy");
  await blobs.delete("k");
  expect(await filesOf(join(folder.path, "blobs"))).toHaveLength(2);
});

test("refused and repeated writes leave no file behind, and neither does a deletion", async () => {
  await using folder = await temporaryFolder();
  const blobs = await openBlobs(folder.path);
  await blobs.write("a/b", Buffer.from("first"), PNG);
  const files = await filesOf(folder.path);
  await blobs.write("a/b", Buffer.from("first"), PNG);
  await expect(blobs.write("a/b", Buffer.from("other"), PNG)).rejects.toMatchObject({ code: "blob_exists" });
  expect(await filesOf(folder.path)).toEqual(files);
  await blobs.delete("a/b");
  expect(await filesOf(folder.path)).toEqual([]);
  expect(await readdir(join(folder.path, "keys"))).toEqual([]);
});

test("a stream to a taken key is refused before it has come", async () => {
  await using folder = await temporaryFolder();
  const blobs = await openBlobs(folder.path);
  await blobs.write("k", Buffer.from("first"), PNG);
  const { readable } = new TransformStream<Uint8Array, Uint8Array>();
  const receiving = blobs.receive("k", readable, { contentType: PNG, bytes: 9 });
  await expect(receiving).rejects.toMatchObject({ code: "blob_exists" });
});

test("a sweep removes what no key names and nothing else, however often it runs", async () => {
  await using folder = await temporaryFolder();
  const blobs = await openBlobs(folder.path);
  for (let i = 0; i < 20; i++) await blobs.write(`jobs/${i % 3}/${i}`, Buffer.from(`content ${i}`), PNG);
  await writeFile(join(folder.path, "objects", "0".repeat(32)), "left by a crash");
  await writeFile(join(folder.path, "incoming", "half"), "left by a crash");
  expect(await blobs.sweepOrphans(3_600_000)).toBe(0);
  expect(await blobs.sweepOrphans(0)).toBe(2);
  expect(await blobs.sweepOrphans(0)).toBe(0);
  for (let i = 0; i < 20; i++) expect(String(await blobs.read(`jobs/${i % 3}/${i}`))).toBe(`content ${i}`);
  expect(await filesOf(folder.path)).toHaveLength(40);
});

test("a sweep spares an old file that was linked in just now", async () => {
  await using folder = await temporaryFolder();
  const blobs = await openBlobs(join(folder.path, "blobs"));
  await writeFile(join(folder.path, "old"), "x");
  await promisify(execFile)("touch", ["-d", "2001-01-01", join(folder.path, "old")]);
  await blobs.upload("k", join(folder.path, "old"), { contentType: PNG });
  await blobs.delete("k");
  await promisify(execFile)("ln", [
    join(folder.path, "old"),
    join(folder.path, "blobs", "objects", "1".repeat(32)),
  ]);
  expect(await blobs.sweepOrphans(3_600_000)).toBe(0);
});

test("a full disk refuses the write as busy and leaves nothing of it", async (context) => {
  await using folder = await temporaryFolder();
  const script = join(import.meta.dirname, "full-disk-process.ts");
  const mount = `mount -t tmpfs -o size=1m none '${folder.path}' && exec "$0" "$1" '${folder.path}'`;
  const child = spawn("unshare", [
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    mount,
    process.execPath,
    script,
  ]);
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  const failed = once(child, "error").then(() => 1);
  const code = await Promise.race([once(child, "close").then(([code]) => code as number), failed]);
  context.skip(output.length === 0 && code !== 0, "needs unprivileged user namespaces to mount a small disk");
  expect(JSON.parse(Buffer.concat(output).toString())).toEqual({
    write: "disk_full",
    upload: "disk_full",
    receive: "disk_full",
    files: 0,
    after: "fits",
  });
});

test("a client that leaves half way leaves nothing behind, and the key stays free", async () => {
  const server = await serve();
  try {
    const bytes = 8 * 1024 * 1024;
    const signed = await server.blobs.signPut({
      key: "k",
      contentType: PNG,
      bytes,
      expiresAt: server.now() + 1_000,
    });
    const url = new URL(signed.url);
    const socket = connect(Number(url.port), url.hostname);
    const lines = Object.entries({ host: url.host, ...signed.headers }).map(
      ([name, value]) => `${name}: ${value}`,
    );
    socket.write(`PUT ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    socket.write(Buffer.alloc(1024 * 1024));
    const objects = join(server.root, "objects");
    await expect.poll(() => readdir(objects), { interval: 5, timeout: 10_000 }).toHaveLength(1);
    socket.destroy();
    await expect.poll(() => filesOf(server.root), { interval: 5, timeout: 10_000 }).toEqual([]);
    expect(server.stored).toEqual([]);
    expect((await send(signed, Buffer.alloc(bytes))).status).toBe(200);
    expect(server.stored).toEqual(["k"]);
  } finally {
    await server.close();
  }
});

test("a refused upload of many megabytes is answered, not cut off", async () => {
  const server = await serve();
  try {
    const body = Buffer.alloc(20 * 1024 * 1024, 1);
    const signed = await server.blobs.signPut({
      key: "k",
      contentType: PNG,
      bytes: body.length,
      expiresAt: server.now() + 1_000,
    });
    const answer = await send({ ...signed, url: signed.url.replace("/k?", "/l?") }, body);
    expect(answer.status).toBe(403);
    expect(answer.body.toString()).toContain("<Code>SignatureDoesNotMatch</Code>");
  } finally {
    await server.close();
  }
});

test("what is served is never guessed at or run by a browser", async () => {
  const server = await serve();
  try {
    await server.blobs.write("k", Buffer.from("<script>"), "image/png");
    const signed = await server.blobs.signGet({ key: "k", expiresAt: server.now() + 1_000 });
    const { headers } = await send(signed);
    expect(headers).toMatchObject({
      "content-type": "image/png",
      "content-disposition": "inline",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
    });
    const refused = await send({ ...signed, url: `${signed.url}0` });
    expect(refused.headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "content-type": "application/xml",
    });
  } finally {
    await server.close();
  }
});

test("a known version is not sent again", async () => {
  const server = await serve();
  try {
    const info = await server.blobs.write("k", Buffer.from("0123456789"), PNG);
    const { url } = await server.blobs.signGet({ key: "k", expiresAt: server.now() + 1_000 });
    const whole = await send({ method: "GET", url });
    expect(whole.headers).toMatchObject({ "content-length": "10", etag: `"${info.sha256}"` });
    const etag = String(whole.headers["etag"]);
    expect((await send({ method: "GET", url, headers: { "if-none-match": etag } })).status).toBe(304);
    const resumed = await send({ method: "GET", url, headers: { range: "bytes=5-", "if-range": etag } });
    expect([resumed.status, String(resumed.body)]).toEqual([206, "56789"]);
    const restarted = await send({
      method: "GET",
      url,
      headers: { range: "bytes=5-", "if-range": '"other"' },
    });
    expect([restarted.status, String(restarted.body)]).toEqual([200, "0123456789"]);
    for (const range of ["bytes=0-1,3-4", "bytes=5-2", "lines=1-2", "bytes=-"]) {
      expect((await send({ method: "GET", url, headers: { range } })).status, range).toBe(200);
    }
    const outside = await send({ method: "GET", url, headers: { range: "bytes=-0" } });
    expect(outside).toMatchObject({ status: 416, headers: { "content-range": "bytes */10" } });
  } finally {
    await server.close();
  }
});

test("an object of many megabytes goes through the door in both directions unharmed", async () => {
  const server = await serve();
  try {
    const body = systemEntropy(30 * 1024 * 1024 + 1);
    const expiresAt = server.now() + 1_000;
    const put = await server.blobs.signPut({ key: "k", contentType: PNG, bytes: body.length, expiresAt });
    expect((await send(put, body)).status).toBe(200);
    const got = await send(await server.blobs.signGet({ key: "k", expiresAt }));
    expect(got.body.equals(body)).toBe(true);
  } finally {
    await server.close();
  }
});
