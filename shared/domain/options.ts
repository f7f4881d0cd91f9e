import { z } from "zod";
import { DEADLINE_SECONDS_MAX, RETENTION_HOURS_DEFAULT, RETENTION_HOURS_MAX } from "./limits.ts";

/** How far a restoration may go: regression models only, a middle way, or generative models. */
export const Preset = z.enum(["faithful", "balanced", "enhanced"]);
export type Preset = z.infer<typeof Preset>;

/** `auto`: run where the analysis finds a need; true: run wherever a model is at hand; false: never. */
const Choice = z.union([z.literal("auto"), z.boolean()]);

export const Operations = z.strictObject({
  repair: Choice.default("auto"),
  denoise: Choice.default("auto"),
  colorize: z.boolean().default(false),
  faces: Choice.default("auto"),
  /** Enlargement of each side; 1 leaves the size alone. */
  upscale: z.union([z.literal(1), z.literal(2), z.literal(4)]).default(2),
  /** Correction of fading and colour cast, as far as measured. */
  tone: Choice.default("auto"),
});
export type Operations = z.infer<typeof Operations>;

const OutputFormat = z.enum(["png", "jpeg", "webp", "tiff"]);
export const Output = z.strictObject({
  format: OutputFormat.default("png"),
  /** 1–100, for jpeg and webp. */
  quality: z.int().min(1).max(100).default(92),
  /** 16 keeps sixteen bits per channel where the format can (png, tiff). */
  bits: z.union([z.literal(8), z.literal(16)]).default(8),
  /** Author, copyright and date, as the photograph's own metadata say, are written into the result; nothing else ever is. */
  keep_credits: z.boolean().default(false),
});
export type Output = z.infer<typeof Output>;

const DeadlineSeconds = z.int().min(1).max(DEADLINE_SECONDS_MAX);

/** Seconds from when the photograph is there. What misses them ends unbilled: not begun `expired`, not ended `failed`. */
export const Deadline = z.strictObject({
  start_within: DeadlineSeconds.optional(),
  finish_within: DeadlineSeconds.optional(),
});

/** What the customer asks for, fixed at creation. */
export const Options = z.strictObject({
  preset: Preset.default("balanced"),
  operations: Operations.prefault({}),
  output: Output.prefault({}),
  external_id: z.string().min(1).max(200).optional(),
  metadata: z
    .record(z.string().min(1).max(40), z.string().max(500))
    .refine((all) => Object.keys(all).length <= 16, "at most 16 keys")
    .optional(),
  deadline: Deadline.optional(),
  retention_hours: z.int().min(1).max(RETENTION_HOURS_MAX).default(RETENTION_HOURS_DEFAULT),
});
export type Options = z.infer<typeof Options>;
