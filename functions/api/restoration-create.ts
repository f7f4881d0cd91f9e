/** From a create call to a stored job: which bytes it restores, and who owns them from now on. */
import { z } from "@hono/zod-openapi";
import { jobItem, loadJob } from "../apply.ts";
import { takeTerms } from "../billing/accept.ts";
import type { ApiDoors } from "./api.ts";
import type { Creation } from "./idempotency.ts";
import { showRestoration } from "./restoration-object.ts";
import type { Restoration } from "./restoration-schema.ts";
import { AnnouncedFile, checkFile, signUpload, type UploadRequest } from "./upload-slot.ts";
import { loadUpload, UploadId, uploadItem, uploadUsed } from "./uploads.ts";
import { Fault } from "#shared/domain/fault.ts";
import { newId } from "#shared/domain/id.ts";
import { blobPrefix, newJob, owed, type Job } from "#shared/domain/job.ts";
import { UPLOAD_TTL_MS } from "#shared/domain/limits.ts";
import { unitsAtMost } from "#shared/domain/money/units.ts";
import { Options } from "#shared/domain/options.ts";
import type { Write } from "#shared/ports.ts";

export const CreateBody = Options.extend({
  input: z.union([
    z
      .strictObject({ upload: UploadId.max(64) })
      .openapi({ description: "An upload that has its bytes; it can be used once." }),
    z
      .strictObject({ file: AnnouncedFile })
      .openapi({ description: "A file to be sent to the address in the answer." }),
  ]),
}).openapi("CreateRestoration");
export type CreateBody = z.infer<typeof CreateBody>;

/** The bytes of a new job, and what must be written to make them its own. */
interface Source {
  readonly input: Job["input"];
  readonly uploaded: boolean;
  readonly writes: readonly Write[];
}

/**
 * Its bound is taken in the very transaction that stores it.
 * @throws Fault input `image_empty`, `image_oversized`; missing `upload_missing`; conflict `upload_used`,
 * `upload_incomplete`; as takeTerms.
 */
export async function prepareRestoration(
  doors: ApiDoors,
  org: string,
  body: CreateBody,
): Promise<Creation<Restoration>> {
  const { input: asked, ...options } = body;
  const now = doors.clock.now();
  const id = newId("job", now, doors.entropy(10));
  const source =
    "file" in asked
      ? fromFile(asked.file, id)
      : await fromUpload(doors, { org, upload: asked.upload, jobId: id });
  const { terms, writes } = await takeTerms(doors, {
    org,
    rateClass: "standard",
    units: unitsAtMost(options),
    at: now,
  });
  const job = newJob({ id, org, options, input: source.input, uploaded: source.uploaded, terms }, now);
  const answer = await showRestoration(doors, { job, rev: 1, plan: undefined, run: undefined });
  const put: Write = { op: "put", item: jobItem(job), when: "absent" };
  return { writes: [put, ...source.writes, ...writes], answer };
}

/** The address for the bytes of a restoration created from an announced file. */
export async function slotOf(
  { blobs }: Pick<ApiDoors, "blobs">,
  { id, created_at }: Restoration,
  { input }: CreateBody,
): Promise<UploadRequest | null> {
  if (!("file" in input)) return null;
  return signUpload(blobs, input.file, {
    key: inputKey(id),
    expiresAt: Date.parse(created_at) + UPLOAD_TTL_MS,
  });
}

/** Performs what a job just stored is owed; should this process die before it, the job's own timer does. */
export async function startRestoration(doors: ApiDoors, id: string): Promise<void> {
  const { job } = await loadJob(doors.store, id);
  for (const command of owed(job, doors.clock.now())) await doors.perform(command);
}

function fromFile(file: AnnouncedFile, jobId: string): Source {
  checkFile(file);
  const sha256 = file.checksum_sha256 === undefined ? {} : { sha256: file.checksum_sha256 };
  const input = {
    key: inputKey(jobId),
    contentType: file.content_type,
    bytes: file.content_length,
    ...sha256,
  };
  return { input, uploaded: false, writes: [] };
}

async function fromUpload(
  doors: ApiDoors,
  ask: { org: string; upload: string; jobId: string },
): Promise<Source> {
  const { row, rev } = await loadUpload(doors, ask.org, ask.upload);
  if (row.usedBy !== undefined) throw uploadUsed();
  const blob = await doors.blobs.head(row.key);
  if (blob === undefined)
    throw new Fault(
      "conflict",
      "upload_incomplete",
      "The bytes of this upload have not arrived; send them to its address first.",
    );
  const { key, contentType, bytes, sha256 = row.file.checksum_sha256 } = blob;
  // From here on the job owns the bytes; two jobs can never share them.
  const used: Write = { op: "put", item: uploadItem({ ...row, usedBy: ask.jobId }), when: { rev } };
  const input = { key, contentType, bytes, ...(sha256 === undefined ? {} : { sha256 }) };
  return { input, uploaded: true, writes: [used] };
}

/** Where an announced file is awaited; its arrival there is the job's `uploaded`. */
function inputKey(jobId: string): string {
  return `${blobPrefix(jobId)}input`;
}
