import type { BlobRef } from "#shared/domain/blob.ts";
import type { Lease } from "#shared/domain/message.ts";
import { writeJpeg } from "../image/codec.ts";
import { reduceThumbnail, resizeThumbnail, sideBySide } from "../image/comparison.ts";
import { encodeRaster, type EncodedPicture } from "../image/encode.ts";
import { openRaster } from "../image/raster.ts";
import { rowSamples, type RasterShape } from "../image/raster-shape.ts";
import { alphaSource, copyRows, type RowTransform } from "../image/row-source.ts";
import { createThumbnailer, type Thumbnail } from "../image/thumbnail.ts";
import { applyTone, toneCorrection } from "../image/tone.ts";
import type { StageFiles, StageRunner, StageWork } from "./stage.ts";

/** Previews come out between half of it and all of it: they are reduced by whole factors. */
const PREVIEW_SIDE_MAX = 1280;
/** Each half of the comparison: it is as large a picture as the previews are. */
const COMPARISON_SIDE_MAX = PREVIEW_SIDE_MAX / 2;
const SOFTWARE = "PhotoKeep";

/**
 * Writes the result: fading and cast undone as far as they were measured, gray kept gray, alpha merged, in the format
 * that was asked for; the photograph's credits in it where they were asked for. Beside it two previews, before and
 * after, and both side by side.
 * Outputs: `image`, `before`, `after`, `comparison`.
 */
export const finish: StageRunner = async (work, signal) => {
  const { lease, files, report } = work;
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "fetching" });
  const raster = await files.fetch(lease.image);
  const alpha = lease.alpha === undefined ? undefined : await files.fetch(lease.alpha);
  const shape = await shapeOf(raster);
  const gray = lease.analysis?.gray === true && !lease.options.operations.colorize;
  const { keep_credits, ...encoding } = lease.options.output;
  const { credits } = lease.measures;

  const shown = Promise.withResolvers<Thumbnail>();
  const tone = toneTransform(lease, shape);
  const writing = encodeRaster({
    raster,
    ...(alpha === undefined ? {} : { alpha }),
    out: files.path("result"),
    ...encoding,
    gray,
    rowTransform(band, firstRow) {
      tone?.(band, firstRow);
      reportRows(work, (firstRow + band.length / rowSamples(shape)) / shape.height);
    },
    thumbnail: { sideMax: PREVIEW_SIDE_MAX, ready: shown.resolve },
    metadata: { software: SOFTWARE, ...(keep_credits && credits !== undefined ? { credits } : {}) },
    signal,
  });

  // The pictures for people are made while the threads of the encoder are busy.
  const original = reduceOriginal(work, alpha, signal);
  const [encoded, image, before, after, comparison] = await Promise.all([
    writing,
    writing.then((result) => storeResult(files, result)),
    original.then((picture) => storePicture(files, "before", picture)),
    shown.promise.then((picture) => storePicture(files, "after", picture)),
    compare(original, shown.promise).then((picture) => storePicture(files, "comparison", picture)),
  ]);
  return { outputs: { image, before, after, comparison }, warnings: encoded.warnings };
};

async function reduceOriginal(
  { lease, files }: StageWork,
  alpha: string | undefined,
  signal: AbortSignal,
): Promise<Thumbnail> {
  await using picture = await openRaster(await files.fetch(lease.original));
  await using opacity = alpha === undefined ? undefined : await openRaster(alpha);
  const rows = opacity === undefined ? picture : alphaSource(picture, opacity);
  const thumbnailer = createThumbnailer(rows.shape, PREVIEW_SIDE_MAX);
  await copyRows(rows, thumbnailer, signal);
  return thumbnailer.finish();
}

/** The original and the result, small, at one size beside each other. */
async function compare(original: Promise<Thumbnail>, result: Promise<Thumbnail>): Promise<Thumbnail> {
  const right = reduceThumbnail(await result, COMPARISON_SIDE_MAX);
  return sideBySide(await resizeThumbnail(await original, right), right);
}

async function shapeOf(raster: string): Promise<RasterShape> {
  await using reader = await openRaster(raster);
  return reader.shape;
}

/** Nothing where tone is switched off, was not measured, or is sound. */
function toneTransform({ analysis, options }: Lease, { channels }: RasterShape): RowTransform | undefined {
  if (analysis === undefined || options.operations.tone === false) return undefined;
  const curves = toneCorrection(analysis.tone, { strength: 1 });
  if (curves === undefined) return undefined;
  if (channels === 3) return (band) => applyTone(band, curves);
  // The channels of a gray picture were measured as equals.
  const [, curve] = curves;
  return (band) => {
    for (let i = 0; i < band.length; i += 1) band[i] = curve[band[i]!]!;
  };
}

function reportRows({ report }: StageWork, fraction: number): void {
  report({ fraction: Math.min(1, fraction), tilesDone: 0, tilesTotal: 0, doing: "writing" });
}

function storeResult(files: StageFiles, encoded: EncodedPicture): Promise<BlobRef> {
  const { sha256, width, height, format } = encoded;
  return files.store("image", {
    path: files.path("result"),
    contentType: `image/${format}`,
    sha256,
    width,
    height,
  });
}

async function storePicture(files: StageFiles, name: string, picture: Thumbnail): Promise<BlobRef> {
  const { data, width, height } = picture;
  const path = files.path(`${name}.jpg`);
  await writeJpeg(path, data, { width, height });
  return await files.store(name, { path, contentType: "image/jpeg", width, height });
}
