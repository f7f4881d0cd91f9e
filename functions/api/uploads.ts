/** Stand-alone upload slots: announce a file, send its bytes, then create a restoration from it, once. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Api, ApiDoors } from "./api.ts";
import { createOnce, IdempotencyHeaders } from "./idempotency.ts";
import { problemResponse } from "./problem.ts";
import { AnnouncedFile, checkFile, signUpload, UploadRequest } from "./upload-slot.ts";
import { Fault } from "#shared/domain/fault.ts";
import { newId, shardOf } from "#shared/domain/id.ts";
import { duePartition, timeKey } from "#shared/domain/job.ts";
import { INDEX_SHARDS, UPLOAD_TTL_MS } from "#shared/domain/limits.ts";
import type { Draft, Key } from "#shared/ports.ts";

/** A slot is deleted, with whatever arrived in it, this long after its address closes: later than any late writer. */
const KEPT_AFTER_MS = UPLOAD_TTL_MS;

/** What is stored of a slot. As long as it has no `usedBy`, the sweeper deletes the object at `key` with it. */
export interface UploadRow {
  readonly kind: "upload";
  readonly id: string;
  readonly org: string;
  readonly key: string;
  readonly file: AnnouncedFile;
  readonly createdAt: number;
  /** When the signed address closes. */
  readonly uploadBy: number;
  readonly expiresAt: number;
  /** The restoration that took the bytes over. */
  readonly usedBy?: string;
  /** Deleted by its owner: unknown to the API, kept only to remove bytes that arrive late. */
  readonly deleted?: true;
}

export const UploadId = z
  .string()
  .openapi({ example: "upl_01kaqd9v3m3v7t4w5x6y7z8a9b", description: "Id of an upload." });

const Upload = z
  .strictObject({
    id: UploadId,
    object: z.literal("upload"),
    status: z.enum(["waiting", "received", "used"]),
    content_type: z.string(),
    content_length: z.int(),
    checksum_sha256: z.string().nullable(),
    created_at: z.iso.datetime(),
    restoration: z.string().nullable().openapi({ description: "The restoration that used it." }),
    method: z.literal("PUT"),
    url: z.string().nullable().openapi({ description: "Null once the bytes have arrived." }),
    headers: UploadRequest.shape.headers,
    expires_at: z.iso.datetime(),
  })
  .openapi("Upload");
type Upload = z.infer<typeof Upload>;

const params = z.object({ id: UploadId });
const answer = { content: { "application/json": { schema: Upload } } };

const create = createRoute({
  method: "post",
  path: "/v1/uploads",
  operationId: "createUpload",
  summary: "Announce a file and receive the address for its bytes",
  tags: ["Uploads"],
  request: {
    headers: IdempotencyHeaders,
    body: { required: true, content: { "application/json": { schema: AnnouncedFile } } },
  },
  responses: { 201: { ...answer, description: "The slot." }, default: problemResponse },
});

const read = createRoute({
  method: "get",
  path: "/v1/uploads/{id}",
  operationId: "getUpload",
  summary: "Read an upload",
  tags: ["Uploads"],
  request: { params },
  responses: { 200: { ...answer, description: "The slot as it is." }, default: problemResponse },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/uploads/{id}",
  operationId: "deleteUpload",
  summary: "Delete an upload that no restoration has used",
  tags: ["Uploads"],
  request: { params },
  responses: { 204: { description: "It is gone." }, default: problemResponse },
});

export function uploadRoutes(app: Api, doors: ApiDoors): void {
  app.openapi(create, async (c) => {
    const { org } = c.get("actor");
    const file = c.req.valid("json");
    checkFile(file);
    const ask = {
      org,
      key: c.req.valid("header")["idempotency-key"],
      call: { route: create.path, body: file },
    };
    const { answer: row, replayed } = await createOnce(doors, ask, async () => {
      const fresh = newUpload(doors, org, file);
      return { writes: [{ op: "put", item: uploadItem(fresh), when: "absent" }], answer: fresh };
    });
    if (replayed) c.header("idempotent-replayed", "true");
    c.header("location", `/v1/uploads/${row.id}`);
    return c.json(showUpload(row, "waiting", await signSlot(doors, row)), 201);
  });

  app.openapi(read, async (c) => {
    const { row } = await loadUpload(doors, c.get("actor").org, c.req.valid("param").id);
    const status =
      row.usedBy !== undefined
        ? "used"
        : (await doors.blobs.head(row.key)) !== undefined
          ? "received"
          : "waiting";
    const open = status === "waiting" && row.uploadBy > doors.clock.now();
    return c.json(showUpload(row, status, open ? await signSlot(doors, row) : undefined), 200);
  });

  app.openapi(remove, async (c) => {
    const { row, rev } = await loadUpload(doors, c.get("actor").org, c.req.valid("param").id);
    if (row.usedBy !== undefined) throw uploadUsed();
    const put = { op: "put" as const, item: uploadItem({ ...row, deleted: true }), when: { rev } };
    const committed = await doors.store.transact([put]);
    if (!committed.ok)
      throw new Fault("busy", "store_busy", "The upload was just changed; please repeat the call.");
    await doors.blobs.delete(row.key);
    return c.body(null, 204);
  });
}

/** @throws Fault missing `upload_missing`, whether it never was, is another's, was deleted or has run out. */
export async function loadUpload(
  { store, clock }: Pick<ApiDoors, "store" | "clock">,
  org: string,
  id: string,
): Promise<{ row: UploadRow; rev: number }> {
  const item = /^upl_[0-9a-z]{26}$/.test(id) ? await store.get(uploadKey(id)) : undefined;
  const row = item?.body as UploadRow | undefined;
  const known = row !== undefined && row.org === org && row.deleted !== true && row.expiresAt > clock.now();
  if (item === undefined || !known) throw new Fault("missing", "upload_missing", "There is no such upload.");
  return { row, rev: item.rev };
}

export function uploadItem(row: UploadRow): Draft {
  const due = {
    pk: duePartition("retention", shardOf(row.id, INDEX_SHARDS)),
    sk: `${timeKey(row.expiresAt)}#${row.id}`,
  };
  return { ...uploadKey(row.id), body: row, indexes: { due } };
}

export function uploadUsed(): Fault {
  return new Fault(
    "conflict",
    "upload_used",
    "A restoration has used this upload already; upload the file once more for another.",
  );
}

function uploadKey(id: string): Key {
  return { pk: `UPLOAD#${id}`, sk: "UPLOAD" };
}

function newUpload({ clock, entropy }: ApiDoors, org: string, file: AnnouncedFile): UploadRow {
  const now = clock.now();
  const id = newId("upl", now, entropy(10));
  const uploadBy = now + UPLOAD_TTL_MS;
  return {
    kind: "upload",
    id,
    org,
    key: `uploads/${id}`,
    file,
    createdAt: now,
    uploadBy,
    expiresAt: uploadBy + KEPT_AFTER_MS,
  };
}

function signSlot(
  { blobs }: Pick<ApiDoors, "blobs">,
  { file, key, uploadBy }: UploadRow,
): Promise<UploadRequest> {
  return signUpload(blobs, file, { key, expiresAt: uploadBy });
}

function showUpload(row: UploadRow, status: Upload["status"], signed: UploadRequest | undefined): Upload {
  return {
    id: row.id,
    object: "upload",
    status,
    content_type: row.file.content_type,
    content_length: row.file.content_length,
    checksum_sha256: row.file.checksum_sha256 ?? null,
    created_at: new Date(row.createdAt).toISOString(),
    restoration: row.usedBy ?? null,
    method: "PUT",
    url: signed?.url ?? null,
    headers: signed?.headers ?? {},
    expires_at: new Date(row.uploadBy).toISOString(),
  };
}
