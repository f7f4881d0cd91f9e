import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { invariant } from "../domain/fault.ts";
import type { Blobs, Clock } from "../ports.ts";
import type { AwsOptions } from "./aws-client.ts";
import { checkBlobKey, checkContentType } from "./blob-key.ts";
import { base64Of } from "./s3-object.ts";
import { dispositionOf } from "./url-signer.ts";

/** Longer no signature of version 4 is valid. */
const VALID_MS_MAX = 7 * 24 * 3_600_000;

/**
 * Presigned URLs of a bucket. They are cut to whole seconds and expire at the last one before `expiresAt`, a new one
 * after one second at least; one that was signed with a role's credentials ends with these.
 */
export function createS3Signer(
  options: AwsOptions,
  { bucket, clock }: { readonly bucket: string; readonly clock: Clock },
): Pick<Blobs, "signPut" | "signGet"> & Disposable {
  // A client of its own, which sends nothing. Left to itself it would sign the checksum of the empty body it is shown.
  const client = new S3Client({
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint, forcePathStyle: true }),
    requestChecksumCalculation: "WHEN_REQUIRED",
  });

  function validity(expiresAt: number): { signingDate: Date; expiresIn: number } {
    const now = Math.floor(clock.now() / 1000);
    invariant(expiresAt - clock.now() <= VALID_MS_MAX, "a URL is signed for a week at most");
    return {
      signingDate: new Date(now * 1000),
      expiresIn: Math.max(1, Math.floor(expiresAt / 1000) - now),
    };
  }

  return {
    async signPut({ key, contentType, bytes, sha256, expiresAt }) {
      checkBlobKey(key);
      checkContentType(contentType);
      invariant(Number.isSafeInteger(bytes) && bytes >= 0, "an upload's length is a whole number");
      invariant(sha256 === undefined || /^[0-9a-f]{64}$/.test(sha256), "a checksum is SHA-256 in hex");
      const checksum = sha256 === undefined ? undefined : base64Of(sha256);
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        ContentType: contentType,
        ContentLength: bytes,
        IfNoneMatch: "*",
        ...(checksum === undefined ? {} : { ChecksumSHA256: checksum }),
      });
      const url = await getSignedUrl(client, command, {
        ...validity(expiresAt),
        // The presigner leaves the type unsigned, and moves the checksum to the query, where nobody holds the body to it.
        signableHeaders: new Set(["content-type"]),
        unhoistableHeaders: new Set(["x-amz-checksum-sha256"]),
      });
      const headers = {
        "content-type": contentType,
        "content-length": String(bytes),
        "if-none-match": "*",
        ...(checksum === undefined ? {} : { "x-amz-checksum-sha256": checksum }),
      };
      return { method: "PUT", url, headers, expiresAt };
    },

    async signGet({ key, expiresAt, fileName }) {
      checkBlobKey(key);
      const command = new GetObjectCommand({
        Bucket: bucket,
        Key: key,
        ResponseContentDisposition: dispositionOf(fileName),
        ResponseCacheControl: "private, no-cache",
      });
      const url = await getSignedUrl(client, command, validity(expiresAt));
      return { method: "GET", url, headers: {}, expiresAt };
    },

    [Symbol.dispose]() {
      client.destroy();
    },
  };
}
