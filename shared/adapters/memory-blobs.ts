import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import type { KnownBlob } from "../ports.ts";
import {
  blobExists,
  blobMissing,
  checkBlobKey,
  checkBlobPrefix,
  checkContentType,
  checkListLimit,
  checkReadBytes,
} from "./blob-key.ts";
import { passChecked } from "./checked-content.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import type { StreamedBlobs } from "./streamed-blobs.ts";
import type { UrlSigner } from "./url-signer.ts";

interface Stored {
  readonly info: KnownBlob;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The Blobs' twin for tests and simulations. */
export function createMemoryBlobs(parts: {
  readonly signer: Pick<UrlSigner, "signPut" | "signGet">;
}): StreamedBlobs {
  const blobs = new Map<string, Stored>();

  function put(key: string, bytes: Uint8Array, contentType: string): KnownBlob {
    checkBlobKey(key);
    checkContentType(contentType);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const found = blobs.get(key);
    if (found !== undefined && found.info.sha256 !== sha256) throw blobExists(key);
    const info = found?.info ?? { key, bytes: bytes.byteLength, sha256, contentType };
    if (found === undefined) blobs.set(key, { info, bytes: new Uint8Array(bytes) });
    return info;
  }

  function find(key: string): Stored {
    checkBlobKey(key);
    const blob = blobs.get(key);
    if (blob === undefined) throw blobMissing(key);
    return blob;
  }

  return {
    async head(key) {
      checkBlobKey(key);
      return blobs.get(key)?.info;
    },

    async upload(key, path, { contentType }) {
      return put(key, await readFile(path), contentType);
    },

    async write(key, bytes, contentType) {
      return put(key, bytes, contentType);
    },

    async copy(from, to) {
      checkBlobKey(to);
      const { info, bytes } = find(from);
      return put(to, bytes, info.contentType);
    },

    async receive(key, content, expected) {
      checkBlobKey(key);
      if (blobs.has(key)) throw blobExists(key);
      const chunks: Uint8Array[] = [];
      await passChecked(content, expected, async (chunk) => {
        chunks.push(chunk);
      });
      if (blobs.has(key)) throw blobExists(key);
      return put(key, Buffer.concat(chunks), expected.contentType);
    },

    async download(key, path) {
      const { info, bytes } = find(key);
      await writeFile(path, bytes, { flag: "wx" });
      return info;
    },

    async read(key) {
      const { bytes } = find(key);
      checkReadBytes(bytes.byteLength);
      return bytes.slice();
    },

    async open(key, span) {
      const { info, bytes } = find(key);
      const part = span === undefined ? bytes : bytes.subarray(span.start, span.end + 1);
      return { info, content: new Blob([part]).stream() };
    },

    async delete(key) {
      checkBlobKey(key);
      blobs.delete(key);
    },

    async list(prefix, { limit, cursor }) {
      checkBlobPrefix(prefix);
      checkListLimit(limit);
      const [after = ""] = cursor === undefined ? [] : decodeCursor(cursor, 1);
      // Keys are ASCII, where the order of units is the order of bytes.
      const keys = [...blobs.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
      return pageOf(keys, limit, { show: (key) => key, position: (key) => [key] });
    },

    signPut: parts.signer.signPut,
    signGet: parts.signer.signGet,
  };
}
