import { z } from "zod";

const words = z.string().min(1).max(200);

/** Who made a photograph and when, by its own metadata: what may be kept when the customer asks for it. */
export const Credits = z.strictObject({
  author: words.optional(),
  copyright: words.optional(),
  /** ISO 8601: a date, or a date and time, with an offset where it is known. */
  takenAt: z
    .string()
    .regex(/^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?)?$/)
    .optional(),
});
export type Credits = z.infer<typeof Credits>;

/**
 * What intake measures on the uploaded bytes before any model sees them. Everything that is lost by normalising
 * (original format, JPEG quality, bit depth, profile) is kept here.
 */
export const IntakeMeasures = z.object({
  /** Upright size (EXIF orientation applied), pixels. */
  width: z.int().positive(),
  height: z.int().positive(),
  format: z.enum(["jpeg", "png", "webp", "tiff", "gif", "avif", "heic", "bmp"]),
  /** Bits per channel of the upload and of the normalised raster. */
  bits: z.union([z.literal(8), z.literal(16)]),
  hasAlpha: z.boolean(),
  /** The upload itself has one colour channel. Whether the pixels of another are gray is the analysis' to say. */
  isGray: z.boolean(),
  /** 1–100, estimated from the quantisation tables; absent for other formats. */
  jpegQuality: z.number().min(1).max(100).optional(),
  /** Only where they are to be kept. */
  credits: Credits.optional(),
  /** Size and SHA-256 (hex) of the uploaded bytes. */
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Sentences a user should read: "the file is cut short; the lower part is missing", "first of 12 frames", … */
  warnings: z.array(z.string().max(300)).max(10),
});
export type IntakeMeasures = z.infer<typeof IntakeMeasures>;

const unit = z.number().min(0).max(1);
const rgb = z.tuple([z.number(), z.number(), z.number()]);

/** A face found by the analysis: box and five points (eyes, nose, mouth corners) in pixels of the normalised image. */
export const Face = z.object({
  x: z.number(),
  y: z.number(),
  width: z.number().positive(),
  height: z.number().positive(),
  score: unit,
});
export type Face = z.infer<typeof Face>;

/** What the analyze stage measures on the normalised pixels; the plan is a function of it. All levels are in 0..1. */
export const Analysis = z.object({
  /** Standard deviation of the grain (Immerkær's or a robust wavelet estimate), 0..1 of full scale. */
  noise: unit,
  /** Sharpness in 0..1: 1 = crisp edges at the pixel scale, 0 = no detail above a few pixels. */
  sharpness: unit,
  /** All pixels (nearly) without chroma. */
  gray: z.boolean(),
  /** One hue over the whole image: a toned monochrome print. */
  sepia: z.boolean(),
  /**
   * The levels to which black has risen and white has sunk in each channel (0 and 1 where nothing has faded); `fading`
   * is the contrast lost (0 none, 1 fully flat), `cast` the largest difference between the channels' ends.
   */
  tone: z.object({ black: rgb, white: rgb, fading: unit, cast: unit }),
  faces: z.array(Face).max(200),
  /** Why faces are empty: no detector was at hand. */
  facesUnknown: z.boolean(),
});
export type Analysis = z.infer<typeof Analysis>;
