import { randomBytes } from "node:crypto";
import type { AwsOptions } from "#shared/adapters/aws-client.ts";
import { openS3Blobs } from "#shared/adapters/s3-blobs.ts";
import { createS3Bucket, deleteS3Bucket } from "#shared/adapters/s3-bucket.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import type { Blobs } from "#shared/ports.ts";
import { awsEngine } from "./aws-engines.ts";

export const s3 = awsEngine("s3");

/** The smallest that S3 takes. */
export const PART_BYTES = 5 * 1024 * 1024;

export interface S3Bucket extends AsyncDisposable {
  readonly bucket: string;
  readonly blobs: Blobs;
  readonly close: () => Promise<void>;
}

/** A bucket of the test's own, gone with everything in it when disposed. @param by how the Blobs reach it. */
export async function temporaryBucket(by: AwsOptions = {}): Promise<S3Bucket> {
  const bucket = `photokeep-test-${randomBytes(8).toString("hex")}`;
  await createS3Bucket(s3.options, bucket);
  const options = { ...s3.options, ...by, bucket, clock: systemClock, partBytes: PART_BYTES };
  const blobs = await openS3Blobs(options);
  const close = async () => {
    await blobs[Symbol.asyncDispose]();
    await deleteS3Bucket(s3.options, bucket);
  };
  return { bucket, blobs, close, [Symbol.asyncDispose]: close };
}
