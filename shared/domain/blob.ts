import { z } from "zod";

/** Bytes at rest, by key and digest. `width` and `height` where they are an image's. */
export const BlobRef = z.object({
  key: z.string().min(1).max(512),
  /** Hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().min(0),
  contentType: z.string().min(1).max(100),
  width: z.int().positive().optional(),
  height: z.int().positive().optional(),
});
export type BlobRef = z.infer<typeof BlobRef>;
