import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pullFile } from "#agent/models/pull.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { faultCode } from "./fault-code.ts";

const FILE = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251));
const SHA256 = createHash("sha256").update(FILE).digest("hex");

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on loopback that answers with `handler` and is gone when the test ends. */
async function serve(
  handler: Handler,
): Promise<{ url: string; requests: IncomingMessage[] } & AsyncDisposable> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Serves FILE under a strong validator, from where it is asked to; the first answer stops at `stopAt` and hangs. */
function fileServer({ etag = '"v1"', stopAt }: { etag?: string; stopAt?: number }): Handler {
  let end = stopAt;
  return (request, response) => {
    const range = request.headers["if-range"] === etag ? request.headers.range : undefined;
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const headers = { etag, "content-length": String(FILE.length - from) };
    const contentRange = `bytes ${from}-${FILE.length - 1}/${FILE.length}`;
    if (from > 0) response.writeHead(206, { ...headers, "content-range": contentRange });
    else response.writeHead(200, headers);
    if (end === undefined) response.end(FILE.subarray(from));
    else response.write(FILE.subarray(from, end));
    end = undefined;
  };
}

test("a file arrives whole, hashed, and leaves nothing unfinished behind", async () => {
  await using folder = await temporaryFolder();
  await using server = await serve(fileServer({}));
  const seen: number[] = [];
  const result = await pullFile({
    url: `${server.url}/m.onnx`,
    path: join(folder.path, "m.onnx"),
    sha256: SHA256,
    bytesMax: FILE.length,
    onProgress: ({ bytes, bytesTotal }) => {
      expect(bytesTotal).toBe(FILE.length);
      seen.push(bytes);
    },
  });
  expect(result).toEqual({ sha256: SHA256, bytes: FILE.length });
  expect(seen.at(-1)).toBe(FILE.length);
  expect(await readdir(folder.path)).toEqual(["m.onnx"]);
  expect(FILE.equals(await readFile(join(folder.path, "m.onnx")))).toBe(true);
});

test("a download that breaks off says so, and the same call continues where it stopped", async () => {
  await using folder = await temporaryFolder();
  await using server = await serve(fileServer({ stopAt: 100_000 }));
  const request = {
    url: server.url,
    path: join(folder.path, "m.onnx"),
    sha256: SHA256,
    bytesMax: FILE.length,
  };
  const breakOff = ({ bytes }: { bytes: number }): void => {
    if (bytes === 100_000) server.requests[0]?.socket.destroy();
  };
  expect(await faultCode(pullFile({ ...request, onProgress: breakOff }))).toBe("download_interrupted");
  expect(await readdir(folder.path)).not.toContain("m.onnx");
  expect(await pullFile(request)).toEqual({ sha256: SHA256, bytes: FILE.length });
  expect(server.requests[1]?.headers.range).toBe("bytes=100000-");
});

test("a file that changed on the server in between is fetched from the start", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "m.onnx");
  await using server = await serve(fileServer({ etag: '"v2"' }));
  await writeFile(`${path}.part`, Buffer.alloc(1_000));
  await writeFile(`${path}.part.json`, JSON.stringify({ url: server.url, validator: '"v1"' }));
  const result = await pullFile({ url: server.url, path, bytesMax: FILE.length });
  expect(server.requests[0]?.headers["if-range"]).toBe('"v1"');
  expect(result.sha256).toBe(SHA256);
});

test("what was kept of another address, or without a validator, is not continued", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "m.onnx");
  await using server = await serve(fileServer({}));
  for (const note of [
    { url: "http://127.0.0.1:1/other", validator: '"v1"' },
    { url: server.url, validator: "" },
  ]) {
    await writeFile(`${path}.part`, Buffer.alloc(1_000));
    await writeFile(`${path}.part.json`, JSON.stringify(note));
    expect((await pullFile({ url: server.url, path, bytesMax: FILE.length })).sha256).toBe(SHA256);
  }
  expect(server.requests.map(({ headers }) => headers.range)).toEqual([undefined, undefined]);
});

test("a server that refuses the continuation is asked for the whole file", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "m.onnx");
  await using server = await serve((request, response) => {
    response.writeHead(request.headers.range === undefined ? 200 : 416).end(FILE);
  });
  await writeFile(`${path}.part`, FILE);
  await writeFile(`${path}.part.json`, JSON.stringify({ url: server.url, validator: '"v1"' }));
  expect((await pullFile({ url: server.url, path, bytesMax: FILE.length })).sha256).toBe(SHA256);
  expect(server.requests).toHaveLength(2);
});

test("bytes with another digest are thrown away and never take the file's name", async () => {
  await using folder = await temporaryFolder();
  await using server = await serve(fileServer({}));
  const request = {
    url: server.url,
    path: join(folder.path, "m.onnx"),
    sha256: "0".repeat(64),
    bytesMax: FILE.length,
  };
  expect(await faultCode(pullFile(request))).toBe("digest_mismatched");
  expect(await readdir(folder.path)).toEqual([]);
});

test("a file larger than it should be is stopped, whether the server says its length or not", async () => {
  await using folder = await temporaryFolder();
  for (const headers of [{ "content-length": String(FILE.length) }, { "transfer-encoding": "chunked" }]) {
    await using server = await serve((_, response) => response.writeHead(200, headers).end(FILE));
    const request = { url: server.url, path: join(folder.path, "m.onnx"), bytesMax: FILE.length - 1 };
    expect(await faultCode(pullFile(request))).toBe("download_oversized");
    expect(await readdir(folder.path)).toEqual([]);
  }
});

test("redirects are followed five times, and only to https or from loopback to loopback", async () => {
  await using folder = await temporaryFolder();
  await using server = await serve((request, response) => {
    const left = Number(new URL(request.url ?? "", "http://x").searchParams.get("left"));
    if (left === 0) response.end(FILE);
    else response.writeHead(302, { location: `?left=${left - 1}` }).end();
  });
  const pull = (url: string): Promise<unknown> =>
    pullFile({ url, path: join(folder.path, "m.onnx"), bytesMax: FILE.length });
  await pull(`${server.url}/?left=5`);
  expect(await faultCode(pull(`${server.url}/?left=6`))).toBe("redirect_forbidden");
  for (const location of [
    "http://example.com/m.onnx",
    "file:///etc/passwd",
    "https://user:word@example.com/",
    "http://[",
  ]) {
    await using away = await serve((_, response) => response.writeHead(302, { location }).end());
    expect(await faultCode(pull(away.url)), location).toBe("redirect_forbidden");
  }
  expect(await faultCode(pull("http://example.com/m.onnx"))).toBe("redirect_forbidden");
});

test("no server, a silent server and a server without the file are told apart", async () => {
  await using folder = await temporaryFolder();
  const pull = (url: string): Promise<unknown> =>
    pullFile({ url, path: join(folder.path, "m.onnx"), bytesMax: FILE.length, silenceMs: 300 });
  const gone = await serve(() => undefined);
  await gone[Symbol.asyncDispose]();
  expect(await faultCode(pull(gone.url))).toBe("network_unreachable");
  await using silent = await serve((_, response) =>
    response.writeHead(200, { "content-length": "10" }).write("x"),
  );
  expect(await faultCode(pull(silent.url))).toBe("download_interrupted");
  await using empty = await serve((_, response) => response.writeHead(404).end());
  expect(await faultCode(pull(empty.url))).toBe("download_refused");
});

test("a caller who gives up gets his own reason back", async () => {
  await using folder = await temporaryFolder();
  const reason = new Error("enough");
  const controller = new AbortController();
  await using server = await serve((_, response) => {
    response.writeHead(200, { "content-length": "10" }).write("x");
    controller.abort(reason);
  });
  const request = { url: server.url, path: join(folder.path, "m.onnx"), bytesMax: 10 };
  await expect(pullFile(request, controller.signal)).rejects.toBe(reason);
});
