import { createHmac, timingSafeEqual } from "node:crypto";
import type { Blobs, SignedRequest } from "../ports.ts";
import { invariant } from "../domain/fault.ts";
import { checkBlobKey, checkContentType } from "./blob-key.ts";

/**
 * Presigned URLs for the doors of one machine. They are built like S3's (signature version 4) and refused like S3's:
 * the signature covers method, key, every query parameter and the named headers with their values, so a client that
 * sends another length or type than agreed has simply not been given this URL.
 */
export interface UrlSigner extends Pick<Blobs, "signPut" | "signGet"> {
  /** What a request is allowed to do. Pure but for the secret: takes the time as an argument. */
  verify(
    request: { readonly method: string; readonly url: string; readonly headers: Headers },
    now: number,
  ): Verdict;
}

export type Grant =
  | {
      readonly method: "PUT";
      readonly key: string;
      readonly contentType: string;
      readonly bytes: number;
      readonly sha256?: string;
    }
  | { readonly method: "GET"; readonly key: string; readonly disposition: string };

type Verdict = { readonly ok: true; readonly grant: Grant } | ({ readonly ok: false } & S3Error);

/** A refusal in S3's words. */
export interface S3Error {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** Under which the doors are mounted. */
const BLOB_PATH = "/blobs/";
const SECRET_BYTES_MIN = 32;
/** S3's own limit, in bytes of UTF-8; our keys are shorter. */
const KEY_BYTES_MAX = 1_024;
const METHODS = new Set(["GET", "HEAD", "PUT", "DELETE"]);
/** Without one of them a URL is half signed; without all, not at all. */
const SIGNING = ["expires", "signed-headers", "signature"];
/** Says how a body is signed, which in a presigned URL the URL says itself. */
const UNSIGNED_HEADER = "x-amz-content-sha256";
const FILE_NAME_CHARS_MAX = 255;

/**
 * @param parts.secret at least 32 bytes, the same after a restart, so that URLs stay valid.
 * @param parts.baseUrl where the door is mounted, without a path or a slash at the end.
 */
export function createUrlSigner(parts: { readonly secret: Uint8Array; readonly baseUrl: string }): UrlSigner {
  const { secret, baseUrl } = parts;
  invariant(secret.byteLength >= SECRET_BYTES_MIN, "the secret of the URLs has 32 bytes");

  function signatureOf(request: {
    method: string;
    key: string;
    query: URLSearchParams;
    headers: Headers;
  }): Buffer {
    const query = new URLSearchParams([...request.query].filter(([name]) => name !== "signature"));
    query.sort();
    const signed = (query.get("signed-headers") ?? "").split(";").filter((name) => name !== "");
    const lines = signed.map((name) => `${name}:${request.headers.get(name)?.trim() ?? ""}`);
    const text = ["photokeep-blob-1", request.method, request.key, query.toString(), ...lines].join("\n");
    return createHmac("sha256", secret).update(text).digest();
  }

  function sign(
    request: Pick<SignedRequest, "method" | "headers" | "expiresAt"> & { key: string; query?: object },
  ): SignedRequest {
    const { method, key, headers, expiresAt } = request;
    checkBlobKey(key);
    const query = new URLSearchParams({ ...request.query, expires: String(Math.floor(expiresAt)) });
    query.set("signed-headers", Object.keys(headers).sort().join(";"));
    query.set(
      "signature",
      signatureOf({ method, key, query, headers: new Headers(headers) }).toString("hex"),
    );
    return { method, url: `${baseUrl}${BLOB_PATH}${key}?${query.toString()}`, headers, expiresAt };
  }

  return {
    async signPut({ key, contentType, bytes, sha256, expiresAt }) {
      checkContentType(contentType);
      invariant(Number.isSafeInteger(bytes) && bytes >= 0, "an upload's length is a whole number");
      invariant(sha256 === undefined || /^[0-9a-f]{64}$/.test(sha256), "a checksum is SHA-256 in hex");
      const headers = {
        "content-type": contentType,
        "content-length": String(bytes),
        "if-none-match": "*",
        ...(sha256 !== undefined && {
          "x-amz-checksum-sha256": Buffer.from(sha256, "hex").toString("base64"),
        }),
      };
      return sign({ method: "PUT", key, headers, expiresAt });
    },

    async signGet({ key, expiresAt, fileName }) {
      const query = { "response-content-disposition": dispositionOf(fileName) };
      return sign({ method: "GET", key, headers: {}, expiresAt, query });
    },

    verify({ method, url, headers }, now) {
      const { pathname, searchParams: query } = new URL(url);
      const key = keyOf(pathname);
      if (key === undefined) return refuse(400, "InvalidURI", "The path cannot be read.");
      const malformed = malformation({ method, key, query });
      if (malformed !== undefined) return malformed;
      if (hasUnsignedHeader(query, headers)) {
        return refuse(403, "AccessDenied", "A header that must be signed was not.");
      }
      if (method === "PUT" && headers.get("content-length") === null) {
        return refuse(411, "MissingContentLength", "An upload must name its length.");
      }
      const signed = { method, key, query, headers };
      if (!isBlobKey(key) || !isSame(query.get("signature") ?? "", signatureOf(signed))) {
        return refuse(403, "SignatureDoesNotMatch", "The request is not the one that was signed.");
      }
      if (Number(query.get("expires")) <= now) return refuse(403, "AccessDenied", "The request has expired.");
      return { ok: true, grant: grantOf({ method, key, query, headers }) };
    },
  };
}

/** What is refused before anybody looks at the signature. */
function malformation(request: {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
}): Verdict | undefined {
  const { method, key, query } = request;
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) return refuse(400, "KeyTooLongError", "The key is too long.");
  if (!METHODS.has(method)) return refuse(405, "MethodNotAllowed", "This method is not allowed here.");
  const given = SIGNING.filter((name) => query.has(name));
  if (given.length === 0) return refuse(403, "AccessDenied", "The request is not signed.");
  if (given.length < SIGNING.length || !/^\d{1,15}$/.test(query.get("expires") ?? "")) {
    return refuse(400, "AuthorizationQueryParametersError", "The URL is not signed as it must be.");
  }
  return undefined;
}

function isSame(signature: string, expected: Buffer): boolean {
  const given = Buffer.from(/^[0-9a-f]{64}$/.test(signature) ? signature : "", "hex");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function grantOf(request: { method: string; key: string; query: URLSearchParams; headers: Headers }): Grant {
  const { method, key, query, headers } = request;
  if (method !== "PUT") {
    return { method: "GET", key, disposition: query.get("response-content-disposition") ?? "inline" };
  }
  const checksum = headers.get("x-amz-checksum-sha256");
  return {
    method,
    key,
    contentType: headers.get("content-type") ?? "",
    bytes: Number(headers.get("content-length")),
    ...(checksum !== null && { sha256: Buffer.from(checksum, "base64").toString("hex") }),
  };
}

/** What the path names, be it a key of ours or not; undefined for what cannot be read. */
function keyOf(pathname: string): string | undefined {
  if (!pathname.startsWith(BLOB_PATH)) return undefined;
  try {
    return decodeURIComponent(pathname.slice(BLOB_PATH.length));
  } catch {
    return undefined;
  }
}

/** No other was ever signed. */
function isBlobKey(key: string): boolean {
  try {
    checkBlobKey(key);
    return true;
  } catch {
    return false;
  }
}

/** S3 demands that every `x-amz-` header sent is signed. */
function hasUnsignedHeader(query: URLSearchParams, headers: Headers): boolean {
  const exempt = new Set([...(query.get("signed-headers") ?? "").split(";"), UNSIGNED_HEADER]);
  return [...headers.keys()].some((name) => name.startsWith("x-amz-") && !exempt.has(name));
}

function refuse(status: number, code: string, message: string): Verdict {
  return { ok: false, status, code, message };
}

/** RFC 6266: a plain name for old clients, the exact one in RFC 8187 form beside it. */
export function dispositionOf(fileName: string | undefined): string {
  if (fileName === undefined) return "inline";
  const name = fileName.slice(0, FILE_NAME_CHARS_MAX).toWellFormed();
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%;]/g, "_");
  const exact = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}
