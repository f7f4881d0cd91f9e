import { createHash } from "node:crypto";
import { open, readFile, rm, stat } from "node:fs/promises";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchBucket,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { invariant } from "../domain/fault.ts";
import type { BlobInfo, Blobs, Clock, Entropy, KnownBlob } from "../ports.ts";
import type { AwsOptions } from "./aws-client.ts";
import {
  blobExists,
  blobMissing,
  checkBlobKey,
  checkBlobPrefix,
  checkContentType,
  checkListLimit,
  checkReadBytes,
} from "./blob-key.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import { Fault } from "../domain/fault.ts";
import { diskFault } from "./durable-file.ts";
import { hashFile, linkOrCopy } from "./local-file.ts";
import { blobsBusy, createS3Door, inTime, isMissing, S3_TRIES_MAX, type S3Door } from "./s3-client.ts";
import { fetchObject } from "./s3-download.ts";
import { infoOf } from "./s3-object.ts";
import { createS3Signer } from "./s3-signer.ts";
import { putObject, putParts } from "./s3-upload.ts";
import { systemEntropy } from "./system-entropy.ts";

export interface S3BlobsOptions extends AwsOptions {
  readonly bucket: string;
  readonly clock: Clock;
  readonly entropy?: Entropy;
  /** Up to here a file is put whole, from memory; above in parts of this size, at least 5 MiB. */
  readonly partBytes?: number;
}

const PART_BYTES = 32 * 1024 * 1024;
const LIST_PAGE_MAX = 1_000;

/**
 * Blobs as objects of one S3 bucket. Every write carries `if-none-match: *` and the SHA-256 of its content, which S3
 * verifies; every read is verified on arrival.
 * @throws Fault input `blobs_missing`, `blobs_denied`, `region_missing`; busy `blobs_busy`: the bucket is asked for once.
 */
export async function openS3Blobs(options: S3BlobsOptions): Promise<Blobs & AsyncDisposable> {
  const { bucket, clock, entropy = systemEntropy, partBytes = PART_BYTES } = options;
  const door = createS3Door(options, { bucket, clock, entropy });
  const signer = createS3Signer(options, { bucket, clock });
  const close = async () => {
    for (const part of [door, signer]) part[Symbol.dispose]();
  };
  try {
    await verifyBucket(door);
  } catch (error) {
    await close();
    throw error;
  }
  const { client } = door;

  async function head(key: string): Promise<BlobInfo | undefined> {
    checkBlobKey(key);
    const command = new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: "ENABLED" });
    return door.call(async (abortSignal) => {
      try {
        return infoOf(key, await client.send(command, { abortSignal }));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  /** With its checksum, which may take reading it whole. */
  async function known(info: BlobInfo): Promise<KnownBlob> {
    const { sha256 } = info;
    return sha256 === undefined ? fetchObject(door, info.key, drain) : { ...info, sha256 };
  }

  /**
   * Writes to a free key; one that holds the same bytes already is as good, whoever put them there.
   * @param own the bytes to be written. @param put gives undefined when the key is not free.
   */
  async function writeOnce(
    key: string,
    own: () => Promise<KnownBlob>,
    put: () => Promise<BlobInfo | undefined>,
  ): Promise<BlobInfo> {
    for (let tries = 1; ; tries++) {
      const written = await put().catch(async (error: unknown) => {
        // Who refuses a large body before it has come may break off, so that the refusal itself is never read.
        const mayBeTaken = error instanceof Fault && error.retryable;
        if (!mayBeTaken || (await head(key)) === undefined) throw error;
        return undefined;
      });
      if (written !== undefined) return written;
      const found = await head(key);
      if (found !== undefined) return sameAs(await own(), found);
      // Gone again, or a rival is not done yet.
      if (tries === S3_TRIES_MAX) throw blobsBusy();
      await door.pause(tries);
    }
  }

  async function putOnce(blob: KnownBlob, put: () => Promise<KnownBlob | undefined>): Promise<KnownBlob> {
    return { ...(await writeOnce(blob.key, async () => blob, put)), sha256: blob.sha256 };
  }

  async function sameAs(blob: KnownBlob, found: BlobInfo): Promise<KnownBlob> {
    const stored = found.bytes === blob.bytes ? await known(found) : found;
    if (stored.sha256 !== blob.sha256) throw blobExists(found.key);
    return { ...stored, sha256: blob.sha256 };
  }

  async function write(key: string, bytes: Uint8Array, contentType: string): Promise<KnownBlob> {
    checkBlobKey(key);
    checkContentType(contentType);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const blob = { key, bytes: bytes.byteLength, sha256, contentType };
    return putOnce(blob, () => putObject(door, blob, bytes));
  }

  /**
   * Has S3 copy an object, of 5 GB at most, and compute its checksum on the way.
   * @returns undefined when the key is not free.
   */
  async function copyObject(source: BlobInfo, to: string): Promise<BlobInfo | undefined> {
    // Not every engine heeds if-none-match here: on those a rival at this very moment can still be overwritten.
    if ((await head(to)) !== undefined) return undefined;
    const command = new CopyObjectCommand({
      Bucket: bucket,
      Key: to,
      CopySource: `${bucket}/${source.key.split("/").map(encodeURIComponent).join("/")}`,
      IfNoneMatch: "*",
      ChecksumAlgorithm: "SHA256",
    });
    const copying = door.call((abortSignal) => client.send(command, { abortSignal }), source.bytes);
    try {
      const copied = await inTime(copying);
      if (copied === undefined) return undefined;
      const { bytes: ContentLength, contentType: ContentType } = source;
      return { ...source, ...infoOf(to, { ...copied.CopyObjectResult, ContentLength, ContentType }) };
    } catch (error) {
      throw isMissing(error) ? blobMissing(source.key) : error;
    }
  }

  return {
    head,
    write,

    async upload(key, path, { contentType, sha256: told }) {
      checkBlobKey(key);
      checkContentType(contentType);
      const file = await stat(path);
      invariant(file.isFile(), "what is uploaded is a regular file");
      if (file.size <= partBytes) return write(key, await readFile(path), contentType);
      const sha256 = told ?? (await hashFile(path));
      const blob = { key, bytes: file.size, sha256, contentType };
      return putOnce(blob, () => putParts(door, blob, { path, partBytes }));
    },

    async copy(from, to) {
      checkBlobKey(to);
      const source = await head(from);
      if (source === undefined) throw blobMissing(from);
      return writeOnce(
        to,
        () => known(source),
        () => copyObject(source, to),
      );
    },

    async download(key, path) {
      checkBlobKey(key);
      const draft = `${path}.${Buffer.from(entropy(8)).toString("hex")}.part`;
      try {
        const info = await fetchObject(door, key, async (content) => {
          await using file = await open(draft, "w");
          for await (const chunk of content) await file.appendFile(chunk);
        });
        await linkOrCopy(draft, path);
        return info;
      } catch (error) {
        throw diskFault(error);
      } finally {
        await rm(draft, { force: true });
      }
    },

    async read(key) {
      checkBlobKey(key);
      const chunks: Uint8Array[] = [];
      await fetchObject(door, key, async (content, info) => {
        checkReadBytes(info.bytes);
        chunks.length = 0;
        for await (const chunk of content) chunks.push(chunk);
      });
      return Buffer.concat(chunks);
    },

    async delete(key) {
      checkBlobKey(key);
      const command = new DeleteObjectCommand({ Bucket: bucket, Key: key });
      await door.call((abortSignal) => client.send(command, { abortSignal }));
    },

    async list(prefix, { limit, cursor }) {
      checkBlobPrefix(prefix);
      checkListLimit(limit);
      const keys: string[] = [];
      let [after] = cursor === undefined ? [] : decodeCursor(cursor, 1);
      // One more than asked for tells whether there are more; a page may hold fewer than it could.
      for (let isMore = true; isMore && keys.length <= limit; after = keys.at(-1) ?? after) {
        const command = new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          MaxKeys: Math.min(limit + 1 - keys.length, LIST_PAGE_MAX),
          ...(after === undefined ? {} : { StartAfter: after }),
        });
        const page = await door.call((abortSignal) => client.send(command, { abortSignal }));
        const found = (page.Contents ?? []).flatMap(({ Key }) => Key ?? []);
        keys.push(...found);
        isMore = page.IsTruncated === true && found.length > 0;
      }
      return pageOf(keys, limit, { show: (key) => key, position: (key) => [key] });
    },

    // Signing asks for credentials, which may be gone by now.
    signPut: (slot) => door.call(() => signer.signPut(slot)),
    signGet: (slot) => door.call(() => signer.signGet(slot)),
    [Symbol.asyncDispose]: close,
  };
}

/** Asks for the bucket once, so that a wrong setting is told at the start and not by the first job. */
async function verifyBucket({ client, bucket, call }: S3Door): Promise<void> {
  const command = new HeadBucketCommand({ Bucket: bucket });
  const region = await call(() => client.config.region());
  await call(async (abortSignal) => {
    try {
      await client.send(command, { abortSignal });
    } catch (error) {
      if (!isElsewhere(error, region)) throw error;
      throw new NoSuchBucket({ message: error.message, $metadata: error.$metadata });
    }
  });
}

/** The bucket is nowhere, or in another region: to HEAD S3 answers without the name of the error. */
function isElsewhere(error: unknown, region: string): error is S3ServiceException {
  if (!(error instanceof S3ServiceException)) return false;
  const status = error.$metadata.httpStatusCode;
  const home = error.$response?.headers["x-amz-bucket-region"] ?? region;
  return status === 301 || status === 404 || home !== region;
}

async function drain(content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of content) continue;
}
