import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { Fault } from "#shared/domain/fault.ts";
import { fileState, moveIntoPlace } from "./file-digest.ts";
import { openUrl } from "./url-opening.ts";

/** Neither the answer nor any piece of it may take longer. */
const SILENCE_MS_MAX = 60_000;

export type PullRequest = {
  readonly url: string;
  /** Where the finished file goes. Unfinished bytes wait beside it as `.part`, to be continued. */
  readonly path: string;
  /** The only acceptable digest, if one is known. */
  readonly sha256?: string;
  readonly bytesMax: number;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly silenceMs?: number;
};

/** `bytesTotal` is absent when the server does not say. */
export type PullProgress = { readonly bytes: number; readonly bytesTotal?: number };

/** What the unfinished bytes belong to: they are continued only if the server says they are still of the same file. */
const Unfinished = z.object({ url: z.string(), validator: z.string() });

/**
 * Fetches a file: resumed where an earlier try stopped, hashed while written, moved into place when whole.
 *
 * Throws Faults: `network_unreachable`, `download_interrupted` (busy: the same call continues), `download_refused`,
 * `redirect_forbidden`, `download_oversized`, `digest_mismatched` (the bytes are thrown away).
 */
export async function pullFile(
  request: PullRequest,
  signal?: AbortSignal,
): Promise<{ sha256: string; bytes: number }> {
  const { path, url } = request;
  const part = `${path}.part`;
  await mkdir(dirname(path), { recursive: true });

  const kept = await keptPart(part, url);
  const result = await receive(request, { part, kept }, signal);
  if (request.sha256 !== undefined && result.sha256 !== request.sha256) {
    await forget(part);
    throw new Fault(
      "conflict",
      "digest_mismatched",
      `The file at ${url} is not the one the catalogue knows (its SHA-256 differs). It was thrown away; do not use it.`,
      { details: { expected: request.sha256, found: result.sha256 } },
    );
  }
  await moveIntoPlace(part, path);
  await forget(part);
  return result;
}

type Kept = { bytes: number; validator: string };

async function receive(
  request: PullRequest,
  { part, kept }: { part: string; kept: Kept | undefined },
  signal?: AbortSignal,
): Promise<{ sha256: string; bytes: number }> {
  const { url, bytesMax, silenceMs = SILENCE_MS_MAX, onProgress } = request;
  const silence = watchSilence(silenceMs, signal);
  let bytes = 0;
  try {
    const headers = kept === undefined ? {} : { range: `bytes=${kept.bytes}-`, "if-range": kept.validator };
    const response = await openUrl(url, headers, silence.signal);
    const isContinued = response.status === 206 && kept !== undefined && startsAt(response, kept.bytes);
    if (response.status !== 200 && !isContinued) {
      await response.body?.cancel();
      // Nothing lies behind what was kept, or what was kept is of another file: from the start.
      await forget(part);
      if (kept !== undefined) return await receive(request, { part, kept: undefined }, signal);
      throw refused(url, response.status);
    }
    const hash = createHash("sha256");
    if (isContinued) {
      await hashPart(part, hash);
      bytes = kept.bytes;
    }
    const length = Number(response.headers.get("content-length") ?? Number.NaN);
    const bytesTotal = Number.isNaN(length) ? undefined : bytes + length;
    if (bytesTotal !== undefined && bytesTotal > bytesMax) throw oversized(url, bytesMax);

    // Emptied before it is said to belong to this answer: after a crash in between nothing is continued.
    await using file = await open(part, isContinued ? "a" : "w");
    await rememberPart(part, { url, validator: validatorOf(response) });
    for await (const chunk of response.body ?? []) {
      silence.rearm();
      bytes += chunk.length;
      if (bytes > bytesMax) throw oversized(url, bytesMax);
      hash.update(chunk);
      await file.appendFile(chunk);
      onProgress?.({ bytes, ...(bytesTotal === undefined ? {} : { bytesTotal }) });
    }
    if (bytesTotal !== undefined && bytes !== bytesTotal) throw interrupted(url, bytes);
    return { sha256: hash.digest("hex"), bytes };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Fault) {
      if (error.code === "download_oversized") await forget(part);
      throw error;
    }
    // The file system's errors are bugs or a full disk; the rest is the network's.
    if (error instanceof Error && "syscall" in error) throw error;
    throw interrupted(url, bytes, error);
  } finally {
    silence.stop();
  }
}

/** A signal that fires when nothing has been heard for a while, or when the caller's does. */
function watchSilence(silenceMs: number, signal?: AbortSignal) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error(`silent for ${silenceMs} ms`)), silenceMs);
  return {
    signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    rearm: () => void timer.refresh(),
    stop: () => clearTimeout(timer),
  };
}

/** A strong validator, or "" where the server gives none: then nothing can be continued safely (RFC 9110, 13.1.5). */
function validatorOf(response: Response): string {
  const etag = response.headers.get("etag") ?? "";
  if (etag !== "" && !etag.startsWith("W/")) return etag;
  return response.headers.get("last-modified") ?? "";
}

function startsAt(response: Response, offset: number): boolean {
  return response.headers.get("content-range")?.startsWith(`bytes ${offset}-`) ?? false;
}

async function keptPart(part: string, url: string): Promise<Kept | undefined> {
  const state = await fileState(part);
  if (state.kind !== "plain" || state.stats.size === 0) {
    await forget(part);
    return undefined;
  }
  try {
    const { url: of, validator } = Unfinished.parse(JSON.parse(await readFile(`${part}.json`, "utf8")));
    return of === url && validator !== "" ? { bytes: state.stats.size, validator } : undefined;
  } catch {
    return undefined;
  }
}

async function rememberPart(part: string, unfinished: z.infer<typeof Unfinished>): Promise<void> {
  await writeFile(`${part}.json`, JSON.stringify(unfinished));
}

async function hashPart(part: string, hash: Hash): Promise<void> {
  await pipeline(createReadStream(part), async (chunks) => {
    for await (const chunk of chunks) hash.update(chunk as Buffer);
  });
}

async function forget(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(`${part}.json`, { force: true });
}

function interrupted(url: string, bytes: number, cause?: unknown): Fault {
  const message = `The download of ${url} broke off after ${bytes} bytes. Run the same command again: it continues there.`;
  return new Fault("busy", "download_interrupted", message, { cause });
}

function oversized(url: string, bytesMax: number): Fault {
  return new Fault(
    "conflict",
    "download_oversized",
    `The file at ${url} is larger than the ${bytesMax} bytes it should have.`,
  );
}

function refused(url: string, status: number): Fault {
  const message = `The server answered ${status} for ${url}: the file may have moved. Import it from a folder instead.`;
  return new Fault(status >= 500 ? "busy" : "missing", "download_refused", message);
}
