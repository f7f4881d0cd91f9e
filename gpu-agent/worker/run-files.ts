import { mkdir, rm } from "node:fs/promises";
import { extname, join } from "node:path";
import type { BlobRef } from "#shared/domain/blob.ts";
import { invariant } from "#shared/domain/fault.ts";
import type { Lease } from "#shared/domain/message.ts";
import type { Blobs } from "#shared/ports.ts";
import type { StageFiles, WrittenOutput } from "../stages/stage.ts";

const EXTENSIONS: Readonly<Record<WrittenOutput["contentType"], string>> = {
  "image/tiff": ".tif",
  "image/png": ".png",
  "image/jpeg": ".jpg",
  "image/webp": ".webp",
};

/**
 * The scratch folder of one run, empty at its start and gone with its end.
 * @param ask.nonce names the outputs of this very run: a second try never meets the objects of the first.
 */
export async function openRunFiles(ask: {
  blobs: Blobs;
  scratch: string;
  lease: Lease;
  nonce: string;
}): Promise<StageFiles & AsyncDisposable> {
  const { blobs, lease, nonce } = ask;
  const folder = join(ask.scratch, nonce);
  // What a killed run left behind goes with it.
  await rm(ask.scratch, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const fetched = new Map<string, Promise<string>>();

  async function download(blob: BlobRef): Promise<string> {
    const path = join(folder, `in-${fetched.size}${extname(blob.key)}`);
    const stored = await blobs.download(blob.key, path);
    invariant(stored.sha256 === blob.sha256, `${blob.key} holds what the lease describes`);
    return path;
  }

  return {
    path: (name) => join(folder, name),
    fetch(blob) {
      const path = fetched.get(blob.key) ?? download(blob);
      fetched.set(blob.key, path);
      return path;
    },
    async store(name, { path, contentType, sha256, width, height }) {
      const key = `${lease.outputPrefix}${nonce}.${name}${EXTENSIONS[contentType]}`;
      const stored = await blobs.upload(key, path, {
        contentType,
        ...(sha256 === undefined ? {} : { sha256 }),
      });
      return { key, sha256: stored.sha256, bytes: stored.bytes, contentType, width, height };
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}
