import {
  AbortMultipartUploadCommand,
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  NoSuchBucket,
} from "@aws-sdk/client-s3";
import { invariant } from "../domain/fault.ts";
import type { AwsOptions } from "./aws-client.ts";
import { createS3Door, type S3Door } from "./s3-client.ts";
import { systemClock } from "./system-clock.ts";
import { systemEntropy } from "./system-entropy.ts";

const PAGE_KEYS = 1_000;
/** What holds more is not emptied key by key. */
const PAGES_MAX = 100;

/** Creates a bucket as the account's defaults have it, private; one of our own that is there already is no error. */
export async function createS3Bucket(options: AwsOptions, bucket: string): Promise<void> {
  using door = openDoor(options, bucket);
  const { client } = door;
  await door.call(async (abortSignal) => {
    try {
      await client.send(new CreateBucketCommand({ Bucket: bucket }), { abortSignal });
    } catch (error) {
      if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
    }
  });
}

/** Removes a bucket with everything in it, at most 100,000 objects; one that is not there is no error. */
export async function deleteS3Bucket(options: AwsOptions, bucket: string): Promise<void> {
  using door = openDoor(options, bucket);
  const { client } = door;
  try {
    await emptyBucket(door);
    await door.call((abortSignal) =>
      client.send(new DeleteBucketCommand({ Bucket: bucket }), { abortSignal }),
    );
  } catch (error) {
    if (!(error instanceof Error && error.cause instanceof NoSuchBucket)) throw error;
  }
}

function openDoor(options: AwsOptions, bucket: string): S3Door {
  return createS3Door(options, { bucket, clock: systemClock, entropy: systemEntropy });
}

async function emptyBucket({ client, bucket: Bucket, call }: S3Door): Promise<void> {
  for (let pages = 1; ; pages++) {
    const { uploads, keys } = await call(async (abortSignal) => {
      const unfinished = await client.send(new ListMultipartUploadsCommand({ Bucket }), { abortSignal });
      const ask = new ListObjectsV2Command({ Bucket, MaxKeys: PAGE_KEYS });
      const { Contents: objects = [] } = await client.send(ask, { abortSignal });
      return { uploads: unfinished.Uploads ?? [], keys: objects.flatMap(({ Key }) => Key ?? []) };
    });
    if (uploads.length === 0 && keys.length === 0) return;
    invariant(pages <= PAGES_MAX, "a bucket that is removed holds at most 100,000 objects");
    for (const { Key, UploadId } of uploads) {
      const abort = new AbortMultipartUploadCommand({ Bucket, Key, UploadId });
      await call((abortSignal) => client.send(abort, { abortSignal }));
    }
    for (const Key of keys) {
      await call((abortSignal) => client.send(new DeleteObjectCommand({ Bucket, Key }), { abortSignal }));
    }
  }
}
