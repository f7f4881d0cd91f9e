/** A restoration as the public API tells it: the one schema of it that goes out. */
import { z } from "@hono/zod-openapi";
import { UploadRequest } from "./upload-slot.ts";
import { Deadline, Operations, Output, Preset } from "#shared/domain/options.ts";
import { STAGE_KINDS } from "#shared/domain/stage.ts";

export const RestorationId = z
  .string()
  .openapi({ example: "job_01kaqd9v3m3v7t4w5x6y7z8a9b", description: "Id of a restoration." });

const instant = z.iso.datetime();
const percent = z.int().min(0).max(100);
const pixels = z.int().positive();
const bytes = z.int().min(0);
const link = z
  .string()
  .openapi({ description: "Signed, for at most an hour; read the restoration again to renew it." });

const RestorationStatus = z.enum([
  "awaiting_upload",
  "queued",
  "processing",
  "succeeded",
  "failed",
  "canceled",
  "expired",
]);

const Progress = z
  .strictObject({
    stage: z.enum(["intake", ...STAGE_KINDS]),
    percent: percent.openapi({ description: "Of this stage alone." }),
    tiles_done: z.int().min(0),
    tiles_total: z.int().min(0),
    model: z.string().nullable(),
    doing: z.enum(["starting", "reading", "fetching", "loading", "running", "writing"]),
  })
  .openapi("Progress");
export type Progress = z.infer<typeof Progress>;

const Stage = z
  .strictObject({
    kind: z.enum(STAGE_KINDS),
    status: z.enum(["waiting", "running", "done", "skipped", "failed", "canceled"]),
    model: z.string().nullable(),
    reason: z
      .string()
      .nullable()
      .openapi({ description: "Why it runs or is skipped; null until the photograph was measured." }),
    enable: z
      .string()
      .nullable()
      .openapi({ description: "The command that fetches what a skipped stage lacks." }),
    seconds: z.number().nullable(),
    model_seconds: z.number().nullable(),
    warnings: z.array(z.string()),
    progress: Progress.nullable(),
  })
  .openapi("Stage");
export type PublicStage = z.infer<typeof Stage>;

const Preview = z
  .strictObject({ url: link, width: pixels.nullable(), height: pixels.nullable() })
  .openapi("Preview");
export type Preview = z.infer<typeof Preview>;

export const Restoration = z
  .strictObject({
    id: RestorationId,
    object: z.literal("restoration"),
    status: RestorationStatus.openapi({
      description: "More may be added: take an unknown one for not yet ended.",
    }),
    created_at: instant,
    queued_at: instant.nullable(),
    started_at: instant.nullable(),
    completed_at: instant.nullable(),
    expires_at: instant.nullable().openapi({ description: "When the photographs are deleted." }),
    options: z.strictObject({
      preset: Preset,
      operations: Operations,
      output: Output,
      retention_hours: z.int(),
      deadline: Deadline.nullable(),
    }),
    external_id: z.string().nullable(),
    metadata: z.record(z.string(), z.string()),
    upload: UploadRequest.nullable().openapi({
      description: "In the answer that created it, while its file is awaited.",
    }),
    progress: Progress.nullable().openapi({ description: "Of what runs at the moment." }),
    stages: z.array(Stage),
    input: z.strictObject({
      content_type: z.string(),
      bytes,
      sha256: z.string().nullable(),
      width: pixels.nullable(),
      height: pixels.nullable(),
      format: z.string().nullable(),
    }),
    output: z
      .strictObject({
        url: link,
        content_type: z.string(),
        format: z.string(),
        width: pixels.nullable(),
        height: pixels.nullable(),
        bytes,
        sha256: z.string(),
      })
      .nullable(),
    before: Preview.nullable(),
    after: Preview.nullable(),
    comparison: Preview.nullable(),
    warnings: z.array(z.string()),
    error: z
      .strictObject({
        code: z.string(),
        message: z.string(),
        retryable: z.boolean().openapi({ description: "Whether sending it again may help." }),
      })
      .nullable(),
    links: z.strictObject({ self: z.string(), events: z.string(), cancel: z.string(), result: z.string() }),
  })
  .openapi("Restoration");
export type Restoration = z.infer<typeof Restoration>;
