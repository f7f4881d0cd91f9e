/** The engines behind an agent's ports, by its configuration. */
import { createFileBlobs } from "#shared/adapters/file-blobs.ts";
import { openS3Blobs } from "#shared/adapters/s3-blobs.ts";
import { openSqliteQueue } from "#shared/adapters/sqlite-queue.ts";
import { openSqsQueue } from "#shared/adapters/sqs-queue.ts";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import type { Blobs, Queue } from "#shared/ports.ts";
import type { BlobsPlace, QueuePlace } from "./config.ts";

/** The queue that names jobs which may have work. */
export async function openDoorbells(place: QueuePlace): Promise<Queue & AsyncDisposable> {
  if ("url" in place) return await openSqsQueue({ url: place.url, clock });
  return await openSqliteQueue({ path: place.file, name: "doorbells", clock, entropy });
}

/** Where stages read their pictures and leave them. */
export async function openBlobs(place: BlobsPlace): Promise<Blobs> {
  if ("bucket" in place) return await openS3Blobs({ bucket: place.bucket, clock });
  return await createFileBlobs({ root: place.folder, entropy });
}
