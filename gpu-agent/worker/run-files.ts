import { access, link, mkdir, readdir, rm } from "node:fs/promises";
import { extname, join } from "node:path";
import type { BlobRef } from "#shared/domain/blob.ts";
import { invariant } from "#shared/domain/fault.ts";
import type { Lease } from "#shared/domain/message.ts";
import { STAGE_KINDS } from "#shared/domain/stage.ts";
import type { Blobs } from "#shared/ports.ts";
import type { StageFiles, WrittenOutput } from "../stages/stage.ts";

const EXTENSIONS: Readonly<Record<WrittenOutput["contentType"], string>> = {
  "image/tiff": ".tif",
  "image/png": ".png",
  "image/jpeg": ".jpg",
  "image/webp": ".webp",
};

/**
 * The scratch folder of one run, empty at its start and gone with its end. Beside it lies what earlier runs of the same
 * job fetched or stored: stages stay on one worker, so that a picture does not travel to the store and back between
 * them. It goes when the worker turns to another job, or with the job's last stage.
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
  const keptName = `kept-${lease.job}`;
  const kept = join(ask.scratch, keptName);
  await mkdir(kept, { recursive: true });
  // What a killed run left behind goes with what other jobs kept.
  for (const name of await readdir(ask.scratch))
    if (name !== keptName) await rm(join(ask.scratch, name), { recursive: true, force: true });
  await mkdir(folder);
  const fetched = new Map<string, Promise<string>>();

  const placeOf = (blob: BlobRef): string => join(kept, `${blob.sha256}${extname(blob.key)}`);

  async function obtain(blob: BlobRef): Promise<string> {
    const path = placeOf(blob);
    if (await exists(path)) return path;
    const stored = await blobs.download(blob.key, path);
    invariant(stored.sha256 === blob.sha256, `${blob.key} holds what the lease describes`);
    return path;
  }

  return {
    path: (name) => join(folder, name),
    fetch(blob) {
      const path = fetched.get(blob.key) ?? obtain(blob);
      fetched.set(blob.key, path);
      return path;
    },
    async store(name, { path, contentType, sha256, width, height }) {
      const key = `${lease.outputPrefix}${nonce}.${name}${EXTENSIONS[contentType]}`;
      const stored = await blobs.upload(key, path, {
        contentType,
        ...(sha256 === undefined ? {} : { sha256 }),
      });
      const blob = { key, sha256: stored.sha256, bytes: stored.bytes, contentType, width, height };
      if (!isLast(lease)) await keep(path, placeOf(blob));
      return blob;
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
      if (isLast(lease)) await rm(kept, { recursive: true, force: true });
    },
  };
}

const isLast = (lease: Lease): boolean => lease.stage === STAGE_KINDS.at(-1);

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** The same bytes may be kept already, by a run before this one. */
async function keep(path: string, as: string): Promise<void> {
  if (!(await exists(as))) await link(path, as);
}
