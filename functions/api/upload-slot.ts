/** The file a caller announces, and the signed request that takes its bytes past the API. */
import { z } from "@hono/zod-openapi";
import { Fault } from "#shared/domain/fault.ts";
import { UPLOAD_BYTES_MAX } from "#shared/domain/limits.ts";
import type { Blobs, SignedRequest } from "#shared/ports.ts";

/** Only a label: what the bytes are is decided by reading them. */
const UPLOAD_TYPES = [
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/tiff",
  "image/gif",
  "image/avif",
  "image/heic",
  "image/heif",
  "application/octet-stream",
] as const;

export const AnnouncedFile = z
  .strictObject({
    content_type: z.enum(UPLOAD_TYPES).openapi({ example: "image/jpeg" }),
    content_length: z.int().min(0).openapi({
      minimum: 1,
      maximum: UPLOAD_BYTES_MAX,
      description: "Bytes; the upload must have exactly as many.",
    }),
    checksum_sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, "64 hexadecimal digits")
      .transform((hex) => hex.toLowerCase())
      .optional()
      .openapi({ type: "string", description: "SHA-256 in hex; other bytes are then refused." }),
  })
  .openapi("AnnouncedFile");
export type AnnouncedFile = z.infer<typeof AnnouncedFile>;

export const UploadRequest = z
  .strictObject({
    method: z.literal("PUT"),
    url: z.string(),
    headers: z.record(z.string(), z.string()).openapi({ description: "Send them as they are." }),
    expires_at: z.iso.datetime(),
  })
  .openapi("UploadRequest", {
    description: "The request that takes the file's bytes: once, and exactly those announced.",
  });
export type UploadRequest = z.infer<typeof UploadRequest>;

/** @throws Fault input `image_empty`, `image_oversized`. */
export function checkFile(file: AnnouncedFile): void {
  if (file.content_length === 0)
    throw new Fault(
      "input",
      "image_empty",
      "The file is empty (0 bytes). Perhaps it was not copied completely; please choose it again.",
    );
  if (file.content_length > UPLOAD_BYTES_MAX) {
    const megabytes = UPLOAD_BYTES_MAX / 1024 / 1024;
    throw new Fault(
      "input",
      "image_oversized",
      `A file may have ${megabytes} MB. Please save it as JPEG or with fewer pixels.`,
    );
  }
}

/** Signs the upload of an announced file to a key. */
export async function signUpload(
  blobs: Blobs,
  file: AnnouncedFile,
  at: { readonly key: string; readonly expiresAt: number },
): Promise<UploadRequest> {
  const signed = await blobs.signPut({
    ...at,
    contentType: file.content_type,
    bytes: file.content_length,
    ...(file.checksum_sha256 === undefined ? {} : { sha256: file.checksum_sha256 }),
  });
  return uploadRequest(signed);
}

function uploadRequest({ url, headers, expiresAt }: SignedRequest): UploadRequest {
  return { method: "PUT", url, headers: { ...headers }, expires_at: new Date(expiresAt).toISOString() };
}
