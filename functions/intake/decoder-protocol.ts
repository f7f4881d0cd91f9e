import { z } from "zod";
import type { ImageFormat } from "./sniff.ts";
import { Credits } from "#shared/domain/analysis.ts";

/**
 * What the decoder process and its parent say to each other. The child handles hostile bytes and may be taken over by
 * them: the parent checks every message, and no word of the child reaches a user, only these facts; but for the credits,
 * which are the user's own words, and bounded.
 */

/** Parent to child, once: the photograph to decode. */
export type DecodeRequest = {
  path: string;
  /** What its first bytes say; no other loader is let at it. */
  format: ImageFormat;
  outDir: string;
  pixelsMax: number;
  /** Read who made the photograph, and when. */
  keepsCredits: boolean;
};

/** The names of what the child leaves in `outDir`. */
export const imageName = "image.tiff";
export const alphaName = "alpha.tiff";
/** What libvips cannot read, unpacked; gone when the child has answered. */
export const unpackedName = "unpacked.tiff";
/** Its components, one by one; gone likewise. */
export const planeNames = ["plane-1.tiff", "plane-2.tiff", "plane-3.tiff"] as const;

const side = z.int().min(1).max(4_294_967_295);

/** Something the user should know about a photograph that was decoded. */
const Remark = z.discriminatedUnion("kind", [
  /** It broke off while decoding; `missing` is the share of flat rows at its lower end, 0 when unknown. */
  z.strictObject({ kind: z.literal("damaged"), missing: z.number().min(0).max(1) }),
  /** It holds more pictures than the one that is restored. */
  z.strictObject({ kind: z.literal("frames"), count: z.int().min(2) }),
  z.strictObject({ kind: z.literal("converted"), from: z.enum(["profile", "cmyk"]) }),
]);
export type Remark = z.infer<typeof Remark>;

/** Child to parent. `opened` comes after the header is read, the two last end the conversation. */
export const DecoderMessage = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("ready") }),
  z.strictObject({ kind: z.literal("opened"), width: side, height: side }),
  z.strictObject({
    kind: z.literal("decoded"),
    width: side,
    height: side,
    bits: z.union([z.literal(8), z.literal(16)]),
    isGray: z.boolean(),
    hasAlpha: z.boolean(),
    jpegQuality: z.number().min(1).max(100).optional(),
    credits: Credits.optional(),
    remarks: z.array(Remark).max(5),
  }),
  z.strictObject({
    kind: z.literal("refused"),
    because: z.enum(["broken", "too_large", "unsupported", "disk_full", "memory"]),
    width: side.optional(),
    height: side.optional(),
    /** libvips' own words, for the log only. */
    details: z.string().max(2_000).optional(),
  }),
]);
export type DecoderMessage = z.infer<typeof DecoderMessage>;
export type Decoded = Extract<DecoderMessage, { kind: "decoded" }>;
export type Refused = Extract<DecoderMessage, { kind: "refused" }>;
