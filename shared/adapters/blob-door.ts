import { Fault } from "../domain/fault.ts";
import type { BlobInfo, Clock } from "../ports.ts";
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
 * The door behind presigned URLs on one machine, to be mounted at `/blobs/*`: write-once PUT, and GET and HEAD with
 * ranges. Bodies are streamed. Refusals speak S3's codes in S3's XML, so a client meets the same in both worlds.
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
    uploads += 1;
    try {
      const info = await blobs.receive(grant.key, request.body ?? new Blob([]).stream(), grant);
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
    if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
    const current = (request.headers.get("if-range") ?? etag) === etag;
    const span = current ? spanOf(request.headers.get("range"), info.bytes) : undefined;
    if (span === "outside") {
      const range = { "content-range": `bytes */${info.bytes}` };
      return refusal({ status: 416, code: "InvalidRange", message: "The file has no such bytes." }, range);
    }
    const content = request.method === "HEAD" ? null : (await blobs.open(grant.key, span)).content;
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

/** What S3 answers where our adapters throw. */
const FAULTS: Readonly<Record<string, S3Error>> = {
  blob_exists: { status: 412, code: "PreconditionFailed", message: "Something is stored there already." },
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

function etagOf(info: BlobInfo): string {
  return `"${info.sha256}"`;
}

function refusal(
  { status, code, message }: S3Error,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  const retry = status === 503 ? { "retry-after": "5" } : {};
  return new Response(body, {
    status,
    headers: { ...SAFE_HEADERS, ...retry, ...headers, "content-type": "application/xml" },
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
