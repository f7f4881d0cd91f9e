import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { invariant } from "../domain/fault.ts";
import type { BlobInfo, KnownBlob } from "../ports.ts";
import { blobMissing } from "./blob-key.ts";
import { diskFault } from "./durable-file.ts";
import { blobsBusy, deadlineMs, isMissing, S3_TRIES_MAX, type S3Door } from "./s3-client.ts";
import { infoOf } from "./s3-object.ts";

/**
 * Streams an object through `keep`, checked by length and checksum. What arrives damaged or breaks off is asked for
 * anew, and `keep` begins anew with it.
 * @throws Fault missing `blob_missing`; busy `blobs_busy`, `disk_full`; what `keep` throws.
 */
export async function fetchObject(
  door: S3Door,
  key: string,
  keep: (content: AsyncIterable<Uint8Array>, info: BlobInfo) => Promise<void>,
): Promise<KnownBlob> {
  for (let tries = 1; ; tries++) {
    try {
      return await fetchOnce(door, key, keep);
    } catch (error) {
      if (!(error instanceof Damaged)) throw diskFault(error);
      if (tries === S3_TRIES_MAX) throw blobsBusy(error);
      await door.pause(tries);
    }
  }
}

/** The bytes are on their way no more, or are not those that were stored. */
class Damaged extends Error {
  override readonly name = "Damaged";
}

async function fetchOnce(
  door: S3Door,
  key: string,
  keep: Parameters<typeof fetchObject>[2],
): Promise<KnownBlob> {
  using deadline = openDeadline(deadlineMs(0));
  const { info, body } = await openObject(door, key, deadline.signal);
  deadline.extend(deadlineMs(info.bytes));
  const hash = createHash("sha256");

  async function* checked(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for await (const chunk of arriving(body)) {
      bytes += chunk.byteLength;
      if (bytes > info.bytes) throw new Damaged(`more than ${info.bytes} bytes came`);
      hash.update(chunk);
      yield chunk;
    }
    if (bytes !== info.bytes) throw new Damaged(`${bytes} of ${info.bytes} bytes came`);
    const sha256 = hash.copy().digest("hex");
    if (sha256 !== (info.sha256 ?? sha256)) throw new Damaged("the bytes that came have another checksum");
  }

  await keep(checked(), info);
  return { ...info, sha256: hash.digest("hex") };
}

async function openObject(
  { client, bucket, faultOf }: S3Door,
  key: string,
  abortSignal: AbortSignal,
): Promise<{ info: BlobInfo; body: Readable }> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: "ENABLED" });
  try {
    const answer = await client.send(command, { abortSignal });
    invariant(answer.Body instanceof Readable, "contents arrive as a stream");
    // It may break off before anyone reads it: the reader is told then, and nobody else.
    answer.Body.on("error", () => undefined);
    return { info: infoOf(key, answer), body: answer.Body };
  } catch (error) {
    throw isMissing(error) ? blobMissing(key) : faultOf(error);
  }
}

/** What fails in here failed on the way; what fails outside is the keeper's. */
async function* arriving(body: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) yield chunk as Uint8Array;
  } catch (error) {
    throw new Damaged("the bytes broke off", { cause: error });
  }
}

/** Ends what is under way after a time that grows once the length is known; leaving its scope ends it too. */
function openDeadline(ms: number): Disposable & {
  readonly signal: AbortSignal;
  readonly extend: (ms: number) => void;
} {
  const controller = new AbortController();
  const start = (ms: number) => setTimeout(() => controller.abort(), ms);
  let timer = start(ms);
  return {
    signal: controller.signal,
    extend(ms) {
      clearTimeout(timer);
      timer = start(ms);
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      controller.abort();
    },
  };
}
