import { createHash } from "node:crypto";
import { Fault } from "../domain/fault.ts";
import type { Clock, KnownBlob } from "../ports.ts";
import type { Span, StreamedBlobs } from "./streamed-blobs.ts";
import type { Grant, S3Error, UrlSigner } from "./url-signer.ts";

/** Uploads in the air at once. Each may fill the disk up to its length before it is found wanting. */
const UPLOADS_MAX = 64;

/** On everything that is served: contents are shown or saved as what they are, and never run. */
const SAFE_HEADERS = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "cache-control": "private, no-cache",
  "accept-ranges": "bytes",
};

/**
 * The door behind presigned URLs on one machine, to be mounted at `/blobs/*`: write-once PUT, and GET with
 * ranges; a URL signed for GET answers no HEAD, as at S3. Bodies are streamed. Refusals speak S3's codes in S3's XML, so a client meets the same in both worlds.
 * @param parts.onStored told of each key once its bytes are safe, before the client is answered; if it fails, the client
 *   gets the failure although the bytes stay.
 */
export function createBlobDoor(parts: {
  readonly blobs: StreamedBlobs;
  readonly signer: Pick<UrlSigner, "verify">;
  readonly clock: Clock;
  readonly onStored?: (key: string) => Promise<void>;
}): (request: Request) => Promise<Response> {
  const { blobs, signer, clock, onStored } = parts;
  let uploads = 0;

  async function put(request: Request, grant: Extract<Grant, { method: "PUT" }>): Promise<Response> {
    if (uploads >= UPLOADS_MAX)
      return refusal({ status: 503, code: "SlowDown", message: "Too many uploads at once." });
    const md5 = request.headers.get("content-md5");
    if (md5 !== null && !/^[A-Za-z0-9+/]{22}==$/.test(md5))
      return refusal({ status: 400, code: "InvalidDigest", message: "The Content-MD5 is none." });
    const body = request.body ?? new Blob([]).stream();
    uploads += 1;
    try {
      const content = md5 === null ? body : withMd5(body, md5);
      const info = await blobs.receive(grant.key, content, grant);
      await onStored?.(grant.key);
      return new Response(null, { status: 200, headers: { etag: etagOf(info) } });
    } finally {
      uploads -= 1;
    }
  }

  async function get(request: Request, grant: Extract<Grant, { method: "GET" }>): Promise<Response> {
    const info = await blobs.head(grant.key);
    if (info === undefined)
      return refusal({ status: 404, code: "NoSuchKey", message: "There is no such file." });
    const etag = etagOf(info);
    const headers = {
      ...SAFE_HEADERS,
      etag,
      "content-type": info.contentType,
      "content-disposition": grant.disposition,
    };
    if (!names(request.headers.get("if-match") ?? "*", etag)) return refusal(CONDITION_FAILED);
    if (names(request.headers.get("if-none-match") ?? "", etag))
      return new Response(null, { status: 304, headers });
    const current = (request.headers.get("if-range") ?? etag) === etag;
    const span = current ? spanOf(request.headers.get("range"), info.bytes) : undefined;
    if (span === "outside") {
      const range = { "content-range": `bytes */${info.bytes}` };
      return refusal({ status: 416, code: "InvalidRange", message: "The file has no such bytes." }, range);
    }
    const { content } = await blobs.open(grant.key, span);
    if (span === undefined) {
      return new Response(content, { headers: { ...headers, "content-length": String(info.bytes) } });
    }
    return new Response(content, {
      status: 206,
      headers: {
        ...headers,
        "content-length": String(span.end - span.start + 1),
        "content-range": `bytes ${span.start}-${span.end}/${info.bytes}`,
      },
    });
  }

  return async (request) => {
    const verdict = signer.verify(request, clock.now());
    if (!verdict.ok) return refusal(verdict);
    const { grant } = verdict;
    try {
      return await (grant.method === "PUT" ? put(request, grant) : get(request, grant));
    } catch (error) {
      const known = error instanceof Fault ? FAULTS[error.code] : undefined;
      if (known !== undefined) return refusal(known);
      if (request.signal.aborted)
        return refusal({ status: 400, code: "RequestTimeout", message: "The client left." });
      throw error;
    }
  };
}

const CONDITION_FAILED: S3Error = {
  status: 412,
  code: "PreconditionFailed",
  message: "A condition of the request does not hold.",
};

/** What S3 answers where our adapters throw. */
const FAULTS: Readonly<Record<string, S3Error>> = {
  blob_exists: CONDITION_FAILED,
  blob_missing: { status: 404, code: "NoSuchKey", message: "There is no such file." },
  body_too_large: { status: 400, code: "EntityTooLarge", message: "The body is longer than announced." },
  body_incomplete: { status: 400, code: "IncompleteBody", message: "The body is shorter than announced." },
  checksum_mismatch: {
    status: 400,
    code: "BadDigest",
    message: "The body does not have the checksum announced.",
  },
  disk_full: { status: 503, code: "ServiceUnavailable", message: "The disk is full; try again later." },
};

function etagOf(info: KnownBlob): string {
  return `"${info.sha256}"`;
}

/** Whether a list of entity tags, or the `*` for all of them, holds this one (RFC 9110, section 13.1). */
function names(list: string, etag: string): boolean {
  return list.split(",").some((each) => ["*", etag].includes(each.trim()));
}

/** Passes a body on, and fails at its end if it is not the one announced. */
async function* withMd5(content: AsyncIterable<Uint8Array>, md5: string): AsyncGenerator<Uint8Array> {
  const hash = createHash("md5");
  for await (const chunk of content) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest("base64") !== md5)
    throw new Fault("input", "checksum_mismatch", "The file is not the one announced; send it again.");
}

function refusal(
  { status, code, message }: S3Error,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  const advice = { 405: { allow: "GET, HEAD, PUT" }, 503: { "retry-after": "5" } }[status];
  return new Response(body, {
    status,
    headers: { ...SAFE_HEADERS, ...advice, ...headers, "content-type": "application/xml" },
  });
}

/**
 * Reads a Range header (RFC 9110, section 14). Several ranges, or what is no range, ask for the whole.
 * @returns undefined for the whole object.
 */
function spanOf(header: string | null, bytes: number): Span | "outside" | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  const start = first === "" ? Math.max(0, bytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? bytes - 1 : Math.min(Number(last), bytes - 1);
  return start <= end && !(first === "" && Number(last) === 0) ? { start, end } : "outside";
}
