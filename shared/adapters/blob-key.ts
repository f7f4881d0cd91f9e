import { Fault, invariant } from "../domain/fault.ts";

const KEY_CHARS_MAX = 512;
/** A part of a key is a file's name in the file adapter, with one character to spare. */
const PART_CHARS_MAX = 200;
const CONTENT_TYPE_CHARS_MAX = 100;
/** Above it, contents are streamed or downloaded, never held in memory. */
const READ_BYTES_MAX = 64 * 1024 * 1024;
const LIST_KEYS_MAX = 1_000;

/**
 * A key is parts joined by slashes: letters, digits and `_ . = + @ , -`, none empty, `.` or `..`. Whatever a key says,
 * it cannot leave the folder that holds it, and it needs no escaping in a URL.
 * @throws Fault input `key_invalid`.
 */
export function checkBlobKey(key: string): void {
  if (key.length > KEY_CHARS_MAX || !key.split("/").every(isPart)) throw keyInvalid();
}

/** Any beginning of a key. @throws Fault input `key_invalid`. */
export function checkBlobPrefix(prefix: string): void {
  const parts = prefix.split("/");
  const last = parts.pop() ?? "";
  const clean = last === "" || isPart(last) || last === "." || last === "..";
  if (prefix.length > KEY_CHARS_MAX || !clean || !parts.every(isPart)) throw keyInvalid();
}

export function checkContentType(contentType: string): void {
  const clean = /^[\w.+-]+\/[\w.+-]+(; ?[\w-]+=[\w-]+)?$/.test(contentType);
  invariant(
    clean && contentType.length <= CONTENT_TYPE_CHARS_MAX,
    "a content type is a MIME type of 100 characters",
  );
}

export function checkReadBytes(bytes: number): void {
  invariant(bytes <= READ_BYTES_MAX, "a content of more than 64 MiB is not read into memory");
}

export function checkListLimit(limit: number): void {
  invariant(limit >= 1 && limit <= LIST_KEYS_MAX, "1 to 1,000 keys are listed at once");
}

export function blobExists(key: string): Fault {
  return new Fault("conflict", "blob_exists", "Something else is stored there already; take another key.", {
    details: { key },
  });
}

export function blobMissing(key: string): Fault {
  return new Fault("missing", "blob_missing", "There is no such file; it may have been deleted.", {
    details: { key },
  });
}

function isPart(part: string): boolean {
  return /^[A-Za-z0-9_.=+@,-]+$/.test(part) && part.length <= PART_CHARS_MAX && part !== "." && part !== "..";
}

function keyInvalid(): Fault {
  return new Fault(
    "input",
    "key_invalid",
    "The key is not valid; use letters, digits, dots, dashes and slashes.",
  );
}
