import { createHash } from "node:crypto";
import { open, rm, type FileHandle } from "node:fs/promises";
import type { WrittenFile } from "./raster-shape.ts";

/** A file written from front to end and hashed on the way. Disposing one that was not finished removes it. */
export interface HashedFile extends AsyncDisposable {
  /** Bytes written so far. */
  readonly bytes: number;
  /** Resolves once the bytes are handed to the system; the buffer may then be reused. */
  append(bytes: Uint8Array): Promise<void>;
  /** Closes the file. */
  finish(): Promise<WrittenFile>;
}

/** Creates the file, or empties the one that is there. */
export async function createHashedFile(path: string): Promise<HashedFile> {
  const file = await open(path, "w");
  const hash = createHash("sha256");
  let bytes = 0;
  let isOpen = true;
  return {
    get bytes(): number {
      return bytes;
    },
    async append(chunk: Uint8Array): Promise<void> {
      // Hashed on this thread while the pool's writes.
      const written = writeAll(file, chunk, bytes);
      hash.update(chunk);
      await written;
      bytes += chunk.length;
    },
    async finish(): Promise<WrittenFile> {
      isOpen = false;
      await file.close();
      return { bytes, sha256: hash.digest("hex") };
    },
    async [Symbol.asyncDispose](): Promise<void> {
      if (!isOpen) return;
      isOpen = false;
      await file.close();
      await rm(path, { force: true });
    },
  };
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}
