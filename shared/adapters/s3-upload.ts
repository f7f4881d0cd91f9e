import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { invariant } from "../domain/fault.ts";
import type { KnownBlob } from "../ports.ts";
import { base64Of, metadataOf } from "./s3-object.ts";
import { inTime, type S3Door } from "./s3-client.ts";

/** Parts of one upload in the air: each is held in memory until S3 has it. */
const PARTS_AT_ONCE = 3;

/**
 * Puts bytes held in memory under a free key, in one request that the SDK may repeat.
 * @returns undefined when the key is not free. @throws what `S3Door.call` throws.
 */
export async function putObject(
  { client, bucket, call }: S3Door,
  blob: KnownBlob,
  bytes: Uint8Array,
): Promise<KnownBlob | undefined> {
  const command = new PutObjectCommand({
    Bucket: bucket,
    Key: blob.key,
    ContentType: blob.contentType,
    ContentLength: blob.bytes,
    Body: bytes,
    ChecksumSHA256: base64Of(blob.sha256),
    Metadata: metadataOf(blob.sha256),
    IfNoneMatch: "*",
  });
  const put = call((abortSignal) => client.send(command, { abortSignal }), blob.bytes);
  return (await inTime(put)) && blob;
}

/**
 * Puts a file under a free key in parts (a multipart upload). S3 checks each part, the SDK repeats it alone, and the
 * whole is checked while it is read. What does not come to its end is taken back, parts and all, before it is told.
 * @returns undefined when the key is not free. @throws what `S3Door.call` throws.
 */
export async function putParts(
  door: S3Door,
  blob: KnownBlob,
  { path, partBytes }: { readonly path: string; readonly partBytes: number },
): Promise<KnownBlob | undefined> {
  const { client, bucket: Bucket, call } = door;
  const { key: Key, contentType: ContentType } = blob;
  const create = new CreateMultipartUploadCommand({
    Bucket,
    Key,
    ContentType,
    ChecksumAlgorithm: "SHA256",
    Metadata: metadataOf(blob.sha256),
  });
  await using file = await open(path, "r");
  const put = call(async (abortSignal) => {
    const { UploadId } = await client.send(create, { abortSignal });
    const names = { Bucket, Key, UploadId };
    try {
      const parts = await sendAll(partsOf(file, blob, partBytes), ({ number: PartNumber, bytes: Body }) => {
        const upload = new UploadPartCommand({ ...names, PartNumber, Body, ChecksumAlgorithm: "SHA256" });
        return client.send(upload, { abortSignal });
      });
      const complete = { ...names, MultipartUpload: { Parts: parts }, IfNoneMatch: "*" };
      return await client.send(new CompleteMultipartUploadCommand(complete), { abortSignal });
    } catch (error) {
      // The first error is the one to be told. Parts that cannot be taken back now go by the bucket's lifecycle rule.
      await takeBack(door, names).catch(() => undefined);
      throw error;
    }
  }, blob.bytes);
  return (await inTime(put)) && blob;
}

/** Has a deadline of its own: the upload's may be what has passed. */
async function takeBack(
  { client, call }: S3Door,
  names: { readonly Bucket: string; readonly Key: string; readonly UploadId: string | undefined },
): Promise<void> {
  await call((abortSignal) => client.send(new AbortMultipartUploadCommand(names), { abortSignal }));
}

interface Part {
  /** From 1. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** Sends parts as they come, some at once. When one fails, no more are begun, and those in the air are waited for. */
async function sendAll(
  parts: AsyncGenerator<Part>,
  send: (part: Part) => Promise<Pick<CompletedPart, "ETag" | "ChecksumSHA256">>,
): Promise<CompletedPart[]> {
  const sent: (CompletedPart & { readonly PartNumber: number })[] = [];
  async function work(): Promise<void> {
    for await (const part of parts) {
      const { ETag, ChecksumSHA256 } = await send(part);
      sent.push({ PartNumber: part.number, ETag, ChecksumSHA256 });
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: PARTS_AT_ONCE }, work));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return sent.sort((a, b) => a.PartNumber - b.PartNumber);
}

/** A file from its beginning to its end; it fails before the last part when the bytes are not those of the checksum. */
async function* partsOf(
  file: FileHandle,
  { bytes, sha256 }: KnownBlob,
  partBytes: number,
): AsyncGenerator<Part> {
  const hash = createHash("sha256");
  for (let start = 0, number = 1; start < bytes; start += partBytes, number++) {
    const part = await readAt(file, start, Math.min(partBytes, bytes - start));
    hash.update(part);
    const isLast = start + partBytes >= bytes;
    if (isLast) invariant(hash.digest("hex") === sha256, NOT_MODIFIED);
    yield { number, bytes: part };
  }
}

const NOT_MODIFIED = "a file has the checksum told, and is not modified while it is uploaded";

async function readAt(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(length);
  for (let read = 0; read < length;) {
    const { bytesRead } = await file.read(bytes, read, length - read, position + read);
    invariant(bytesRead > 0, NOT_MODIFIED);
    read += bytesRead;
  }
  return bytes;
}
