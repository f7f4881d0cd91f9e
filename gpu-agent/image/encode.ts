import { rm } from "node:fs/promises";
import { invariant } from "#shared/domain/fault.ts";
import { compressRaster, srgbProfile } from "./codec.ts";
import { createPng } from "./png.ts";
import { srgbChunk, textChunk, xmpChunk } from "./png-chunk.ts";
import { createRaster, openRaster, type RasterReader } from "./raster.ts";
import type { RowSource, Samples, WrittenFile } from "./raster-shape.ts";
import { bicubic } from "./resample.ts";
import { resizedSource } from "./resized-source.ts";
import {
  alphaSource,
  copyRows,
  flattenedSource,
  lumaSource,
  narrowedSource,
  transformedSource,
  widenedSource,
  type RowTransform,
} from "./row-source.ts";
import { createThumbnailer, type Thumbnail } from "./thumbnail.ts";
import { xmpPacket, type ResultMetadata } from "./xmp.ts";

/** Formats of a result. */
export type ResultFormat = "png" | "jpeg" | "webp" | "tiff";

/** A finished picture to write for its owner. */
export interface EncodeRequest {
  /** Path of the raster: gray or RGB. */
  raster: string;
  /** Path of a raster of one channel and any size, not premultiplied: enlarged to the picture's size and merged. */
  alpha?: string;
  /** Path of the result; `<out>.raster` beside it is used meanwhile for all formats but PNG. */
  out: string;
  format: ResultFormat;
  /** Of JPEG and WebP, 1–100; 92 by default. */
  quality?: number;
  /** Bits per sample; JPEG and WebP hold 8 whatever is asked. */
  bits: 8 | 16;
  /** Write one channel, the luma. A gray raster is written as gray either way. */
  gray?: boolean;
  /** Last change to the samples, at 16 bits in the raster's channels, band by band from the top. */
  rowTransform?: RowTransform;
  /** Makes the result small as it is written; `ready` is told once the last row has passed. */
  thumbnail?: { sideMax: number; ready: (thumbnail: Thumbnail) => void };
  metadata: ResultMetadata;
  /** Obeyed between bands: rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What was written. */
export interface EncodedPicture extends WrittenFile {
  width: number;
  height: number;
  /** PNG where the picture exceeds the format asked for. */
  format: ResultFormat;
  contentType: string;
  /** Sentences for the owner: what the format could not hold. */
  warnings: string[];
}

/** The longest side each encoder takes. JPEG could state 65,535, but libjpeg stops at 65,500. */
const sideMax = { png: 2 ** 31 - 1, tiff: 2 ** 31 - 1, jpeg: 65_500, webp: 16_383 } as const;
/** WebP's encoder holds the whole picture, about 20 bytes a pixel (measured): 1 GB at this limit. */
const webpPixelsMax = 50_000_000;

/**
 * Writes a raster as PNG, JPEG, WebP or TIFF (deflate, lossless), in bands with bounded memory. The result is tagged
 * as sRGB and, in XMP, as restored by a machine; nothing of the input's metadata is in it. A picture too large for its
 * format becomes a PNG, an alpha channel in JPEG is laid over white: both with a warning.
 *
 * Throws Fault `raster_invalid` for a damaged raster and the signal's reason; then nothing is left at `out`.
 */
export async function encodeRaster(request: EncodeRequest): Promise<EncodedPicture> {
  await using raster = await openRaster(request.raster);
  await using alpha = request.alpha === undefined ? undefined : await openRaster(request.alpha);
  const { width, height } = raster.shape;
  const warnings: string[] = [];
  const format = fittingFormat(request.format, raster.shape, warnings);
  const source = resultRows(request, { format, raster, alpha, warnings });
  try {
    const written =
      format === "png" ? await writePng(source, request) : await writeCompressed(source, format, request);
    return { ...written, width, height, format, contentType: `image/${format}`, warnings };
  } catch (error) {
    await rm(request.out, { force: true });
    throw error;
  }
}

function fittingFormat(
  format: ResultFormat,
  { width, height }: { width: number; height: number },
  warnings: string[],
): ResultFormat {
  const isTooLong = Math.max(width, height) > sideMax[format];
  if (!isTooLong && !(format === "webp" && width * height > webpPixelsMax)) return format;
  const limit = isTooLong ? `${sideMax[format]} pixels a side` : `${webpPixelsMax / 1e6} megapixels`;
  warnings.push(
    `The picture exceeds the ${limit} that ${format.toUpperCase()} can hold, so it was written as PNG.`,
  );
  return "png";
}

/** The rows as they are written: changed, gray, merged with alpha and rounded as asked. */
function resultRows(
  { bits, gray = false, rowTransform, thumbnail }: EncodeRequest,
  {
    format,
    raster,
    alpha,
    warnings,
  }: {
    format: ResultFormat;
    raster: RasterReader;
    alpha: RasterReader | undefined;
    warnings: string[];
  },
): RowSource {
  invariant(raster.shape.channels !== 4, "alpha travels apart");
  let rows = widenedSource(raster);
  if (rowTransform !== undefined) rows = transformedSource(rows, rowTransform);
  if (gray) rows = lumaSource(rows);
  if (alpha !== undefined) {
    const { width, height } = raster.shape;
    const opacity = resizedSource(widenedSource(alpha), { width, height }, bicubic);
    if (format === "jpeg") warnings.push("JPEG has no transparency, so the picture was laid over white.");
    rows = format === "jpeg" ? flattenedSource(rows, opacity) : alphaSource(rows, opacity);
  }
  const holdsWords = format === "png" || format === "tiff";
  if (bits === 16 && !holdsWords) warnings.push(`${format.toUpperCase()} holds 8 bits a sample, not 16.`);
  // The writer of PNG rounds on its way.
  if (format !== "png" && !(bits === 16 && holdsWords)) rows = narrowedSource(rows);
  return thumbnail === undefined ? rows : watchedSource(rows, thumbnail);
}

function watchedSource(
  source: RowSource,
  { sideMax, ready }: NonNullable<EncodeRequest["thumbnail"]>,
): RowSource {
  const { shape } = source;
  const thumbnailer = createThumbnailer(shape, sideMax);
  return {
    shape,
    async readRows(y: number, count: number, into?: Samples): Promise<Samples> {
      const rows = await source.readRows(y, count, into);
      thumbnailer.push(rows);
      if (y + count === shape.height) ready(thumbnailer.finish());
      return rows;
    },
  };
}

async function writePng(
  source: RowSource,
  { out, bits, metadata, signal }: EncodeRequest,
): Promise<WrittenFile> {
  const chunks = [srgbChunk, textChunk("Software", metadata.software), xmpChunk(xmpPacket(metadata))];
  await using png = await createPng(out, { ...source.shape, bits }, chunks);
  await copyRows(source, png, signal);
  return await png.finish();
}

async function writeCompressed(
  source: RowSource,
  format: Exclude<ResultFormat, "png">,
  { out, quality = 92, metadata, signal }: EncodeRequest,
): Promise<WrittenFile> {
  const passing = `${out}.raster`;
  try {
    // An RGB profile must not be attached to gray, for which sRGB is what viewers assume.
    const { shape } = source;
    const profile = shape.channels === 1 ? undefined : await srgbProfile();
    await using raster = await createRaster(passing, shape, profile);
    await copyRows(source, raster, signal);
    await raster.finish();
    return await compressRaster({ raster: passing, shape, out, format, quality, xmp: xmpPacket(metadata) });
  } finally {
    await rm(passing, { force: true });
  }
}
