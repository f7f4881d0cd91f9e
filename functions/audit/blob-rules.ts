/** Invariant 6: what a job names lies at its key as it was accepted; what retention has ended lies nowhere. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Breach } from "./finding.ts";
import type { BlobRef } from "#shared/domain/blob.ts";
import { blobPrefix, isTerminal, type Job } from "#shared/domain/job.ts";
import { DISCARD_AFTER_MS, PAGE_ROWS_MAX } from "#shared/domain/limits.ts";
import type { Blobs } from "#shared/ports.ts";

/** heads: length and checksum as the engine has them on record. bytes: every byte is read, and hashed here. */
export type BlobDepth = "heads" | "bytes";

/** @throws whatever the engine throws but for what is missing. */
export async function blobBreaches(
  doors: { readonly blobs: Pick<Blobs, "head" | "download" | "list">; readonly depth: BlobDepth },
  job: Job,
  now: number,
): Promise<Breach[]> {
  const breaches: Breach[] = [];
  const named = namedBlobs(job, now);
  for (const blob of named) {
    const breach = await compare(doors, blob);
    if (breach !== undefined) breaches.push(breach);
  }
  if (!isTerminal(job.status) || job.discarded !== true) return breaches;
  const { rows } = await doors.blobs.list(blobPrefix(job.id), { limit: PAGE_ROWS_MAX });
  const kept = new Set([
    ...named.map(({ key }) => key),
    ...(job.status === "succeeded" ? [job.input.key] : []),
  ]);
  const left = rows.filter((key) => !kept.has(key));
  if (left.length > 0)
    breaches.push(["bytes_left", `${left.length} objects are left, the first is ${left[0]}`]);
  return breaches;
}

/** The objects that must be there as long as the job is as it is. */
function namedBlobs(job: Job, now: number): BlobRef[] {
  if (job.status === "expired" || job.erasure !== undefined) return [];
  const done = job.stages.filter(({ status }) => status === "done");
  // Its deletion may be under way, object by object.
  const isDiscarding = isTerminal(job.status) && (job.endedAt ?? now) + DISCARD_AFTER_MS <= now;
  if (job.discarded === true || isDiscarding) {
    const finish = job.status === "succeeded" ? done.find(({ kind }) => kind === "finish") : undefined;
    return Object.values(finish?.outputs ?? {});
  }
  const { image, alpha } = job.intake;
  return [image, alpha, ...done.flatMap(({ outputs }) => Object.values(outputs ?? {}))].filter(
    (blob) => blob !== undefined,
  );
}

async function compare(
  { blobs, depth }: { blobs: Pick<Blobs, "head" | "download">; depth: BlobDepth },
  blob: BlobRef,
): Promise<Breach | undefined> {
  const stored = await blobs.head(blob.key);
  if (stored === undefined) return ["blob_missing", `${blob.key} is not there`];
  const isSame = stored.bytes === blob.bytes && (stored.sha256 ?? blob.sha256) === blob.sha256;
  if (!isSame) return ["blob_changed", `${blob.key} is on record as ${stored.bytes} bytes, ${stored.sha256}`];
  if (depth === "heads") return undefined;
  const sha256 = await hashOf(blobs, blob.key);
  return sha256 === blob.sha256 ? undefined : ["blob_changed", `the bytes of ${blob.key} hash to ${sha256}`];
}

async function hashOf(blobs: Pick<Blobs, "download">, key: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "photokeep-audit-"));
  try {
    const path = join(folder, "blob");
    await blobs.download(key, path);
    const hash = createHash("sha256");
    await pipeline(createReadStream(path), hash);
    return hash.digest("hex");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
