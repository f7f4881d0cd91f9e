import type { ChecksumType } from "@aws-sdk/client-s3";
import type { BlobInfo } from "../ports.ts";
import { invariant } from "../domain/fault.ts";

/** What S3 says of an object; a part of its answers to HeadObject and GetObject. */
interface S3Object {
  readonly ContentLength?: number | undefined;
  readonly ContentType?: string | undefined;
  readonly ChecksumSHA256?: string | undefined;
  readonly ChecksumType?: ChecksumType | undefined;
  readonly Metadata?: Readonly<Record<string, string>> | undefined;
}

/** The name of the metadata that holds the SHA-256 in hex: of a multipart upload S3 knows only the parts' own. */
const SHA256_NAME = "sha256";

export function infoOf(key: string, object: S3Object): BlobInfo {
  const { ContentLength: bytes, ContentType: contentType = "application/octet-stream" } = object;
  invariant(bytes !== undefined, "S3 tells an object's length");
  const sha256 = checksumOf(object);
  return { key, bytes, ...(sha256 === undefined ? {} : { sha256 }), contentType };
}

export function metadataOf(sha256: string): Record<string, string> {
  return { [SHA256_NAME]: sha256 };
}

/** As S3 writes a checksum. @param sha256 in hex. */
export function base64Of(sha256: string): string {
  return Buffer.from(sha256, "hex").toString("base64");
}

/** S3's own checksum of the whole content where there is one: S3 has verified it. */
function checksumOf({ ChecksumSHA256, ChecksumType, Metadata }: S3Object): string | undefined {
  // A checksum of checksums ends in `-` and the number of parts.
  if (ChecksumSHA256 !== undefined && ChecksumType !== "COMPOSITE" && !ChecksumSHA256.includes("-")) {
    return Buffer.from(ChecksumSHA256, "base64").toString("hex");
  }
  const told = Metadata?.[SHA256_NAME];
  return told !== undefined && /^[0-9a-f]{64}$/.test(told) ? told : undefined;
}
