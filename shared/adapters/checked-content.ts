import { createHash } from "node:crypto";
import { Fault } from "../domain/fault.ts";
import type { Expected } from "./streamed-blobs.ts";

/**
 * Passes a stream on chunk by chunk and holds it to what was announced. A stream that is too long is left at the first
 * byte too many. @returns the SHA-256 (hex) of what passed.
 * @throws Fault input `body_too_large`, `body_incomplete`, `checksum_mismatch`.
 */
export async function passChecked(
  content: AsyncIterable<Uint8Array>,
  expected: Expected,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.byteLength;
    if (bytes > expected.bytes)
      throw new Fault("input", "body_too_large", "The file is larger than announced.");
    hash.update(chunk);
    await write(chunk);
  }
  if (bytes < expected.bytes)
    throw new Fault("input", "body_incomplete", "The file is smaller than announced.");
  const sha256 = hash.digest("hex");
  if (expected.sha256 !== undefined && expected.sha256 !== sha256) {
    throw new Fault("input", "checksum_mismatch", "The file is not the one announced; send it again.");
  }
  return sha256;
}
