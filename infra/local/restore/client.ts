/** The public API as the command line sees it: the calls that every client makes, and no shorter path. */
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Options } from "#shared/domain/options.ts";

export interface Client {
  /** Creates a restoration with an upload slot; the same key again answers with the same restoration. */
  create(
    ask: { key: string; options: Options; contentType: string; bytes: number; sha256: string },
    signal?: AbortSignal,
  ): Promise<Restoration>;
  /** Sends the bytes to the slot. A slot already used is no error. */
  upload(restoration: Restoration, path: string, signal?: AbortSignal): Promise<void>;
  get(id: string, signal?: AbortSignal): Promise<Restoration>;
  /** Writes under a temporary name first, so that no half file is ever left under the real one. */
  download(url: string, path: string, signal?: AbortSignal): Promise<void>;
}

const CALL_MS_MAX = 15_000;
const TRANSFER_MS_MAX = 600_000;

export function createClient(baseUrl: string): Client {
  async function call(
    method: string,
    path: string,
    ask: { body?: unknown; key?: string; signal?: AbortSignal | undefined },
  ): Promise<Restoration> {
    const response = await fetch(new URL(path, baseUrl), {
      method,
      headers: {
        ...(ask.body === undefined ? {} : { "content-type": "application/json" }),
        ...(ask.key === undefined ? {} : { "idempotency-key": ask.key }),
      },
      ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
      signal: within(CALL_MS_MAX, ask.signal),
    });
    if (!response.ok) throw await faultOf(response);
    return (await response.json()) as Restoration;
  }

  return {
    create({ key, options, contentType, bytes, sha256 }, signal) {
      const file = { content_type: contentType, content_length: bytes, checksum_sha256: sha256 };
      return call("POST", "/v1/restorations", { body: { ...options, input: { file } }, key, signal });
    },
    async upload(restoration, path, signal) {
      const slot = restoration.upload;
      if (slot === null) return;
      const response = await fetch(slot.url, {
        method: slot.method,
        headers: slot.headers,
        body: Readable.toWeb(createReadStream(path)),
        duplex: "half",
        signal: within(TRANSFER_MS_MAX, signal),
      });
      await response.arrayBuffer();
      if (!response.ok && response.status !== 412) {
        throw new Fault(
          "input",
          "upload_refused",
          `The upload was refused (${response.status}); the file may have changed meanwhile. Please run the command again.`,
        );
      }
    },
    get: (id, signal) => call("GET", `/v1/restorations/${id}`, { signal }),
    async download(url, path, signal) {
      const response = await fetch(new URL(url, baseUrl), { signal: within(TRANSFER_MS_MAX, signal) });
      if (!response.ok || response.body === null)
        throw new Fault(
          "busy",
          "download_failed",
          `The result could not be fetched (${response.status}); run the command again.`,
        );
      const draft = `${path}.part`;
      try {
        await pipeline(Readable.fromWeb(response.body), createWriteStream(draft));
        await rename(draft, path);
      } catch (error) {
        await rm(draft, { force: true });
        throw writeFault(error, path);
      }
    },
  };
}

/** What a failed write means for the person at the keyboard. */
export function writeFault(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOSPC")
    return new Fault(
      "busy",
      "disk_full",
      `The disk is full: ${path} could not be written. Free some space and run the command again.`,
      { cause: error },
    );
  if (code === "EACCES" || code === "EPERM" || code === "EROFS" || code === "ENOENT" || code === "ENOTDIR") {
    return new Fault(
      "input",
      "output_unwritable",
      `${path} cannot be written (${code}); choose another folder with --out.`,
      { cause: error },
    );
  }
  return error;
}

function within(ms: number, signal: AbortSignal | undefined): AbortSignal {
  return signal === undefined ? AbortSignal.timeout(ms) : AbortSignal.any([signal, AbortSignal.timeout(ms)]);
}

async function faultOf(response: Response): Promise<Fault> {
  const problem = (await response.json().catch(() => ({}))) as {
    code?: string;
    detail?: string;
    title?: string;
  };
  const kind = response.status === 503 ? "busy" : response.status === 409 ? "conflict" : "input";
  return new Fault(
    kind,
    problem.code ?? "request_failed",
    problem.detail ?? problem.title ?? `The request failed (${response.status}).`,
  );
}
