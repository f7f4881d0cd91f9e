import type { BlobRef } from "#shared/domain/blob.ts";
import type { Lease } from "#shared/domain/message.ts";
import { writeJpeg } from "../image/codec.ts";
import { writeComparison } from "../image/comparison.ts";
import { encodeRaster, type EncodedPicture } from "../image/encode.ts";
import { createRaster, openRaster } from "../image/raster.ts";
import { rowSamples, type RasterShape } from "../image/raster-shape.ts";
import type { FloatPicture } from "../image/resample.ts";
import { copyRows, widenedSource, type RowTransform } from "../image/row-source.ts";
import { applyTone, toneCorrection } from "../image/tone.ts";
import { createPreviewer, paintPreview, type PaintedPreview } from "./preview.ts";
import type { StageFiles, StageRunner, StageWork } from "./stage.ts";

const PREVIEW_SIDE_MAX = 1024;
/** Room for two previews side by side, so that they go in as they are. */
const COMPARISON_SIDE_MAX = 2 * PREVIEW_SIDE_MAX + 16;
const SOFTWARE = "PhotoKeep";

/**
 * Writes the result: fading and cast undone as far as they were measured, gray kept gray, alpha merged, in the format
 * that was asked for. Beside it two previews, before and after, and both in one picture.
 * Outputs: `image`, `before`, `after`, `comparison`.
 */
export const finish: StageRunner = async (work, signal) => {
  const { lease, files, report } = work;
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "fetching" });
  const raster = await files.fetch(lease.image);
  const alpha = lease.alpha === undefined ? undefined : await files.fetch(lease.alpha);
  const shape = await shapeOf(raster);
  const gray = lease.analysis?.gray === true && !lease.options.operations.colorize;

  // The preview is made of the very rows that are written: nothing is read or computed twice.
  const after = createPreviewer({ ...shape, bits: 16 }, PREVIEW_SIDE_MAX);
  const tone = toneTransform(lease, shape);
  const [encoded, before, opacity] = await Promise.all([
    encodeRaster({
      raster,
      ...(alpha === undefined ? {} : { alpha }),
      out: files.path("result"),
      ...lease.options.output,
      gray,
      rowTransform(band, firstRow) {
        tone?.(band, firstRow);
        after.push(band);
        reportRows(work, (firstRow + band.length / rowSamples(shape)) / shape.height);
      },
      metadata: { software: SOFTWARE },
      signal,
    }),
    files.fetch(lease.original).then((path) => previewOf(path, signal)),
    alpha === undefined ? undefined : previewOf(alpha, signal),
  ]);

  const paintedBefore = paintPreview({ picture: before, opacity, gray: false });
  const paintedAfter = paintPreview({ picture: after.finish(), opacity, gray });
  const [image, beforeRef, afterRef, comparison] = await Promise.all([
    storeResult(files, encoded),
    storePreview(files, "before", paintedBefore),
    storePreview(files, "after", paintedAfter),
    storeComparison(files, paintedBefore, paintedAfter),
  ]);
  return { outputs: { image, before: beforeRef, after: afterRef, comparison }, warnings: encoded.warnings };
};

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

async function previewOf(raster: string, signal: AbortSignal): Promise<FloatPicture> {
  await using reader = await openRaster(raster);
  const rows = widenedSource(reader);
  const previewer = createPreviewer(rows.shape, PREVIEW_SIDE_MAX);
  await copyRows(rows, previewer, signal);
  return previewer.finish();
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

async function storePreview(files: StageFiles, name: string, preview: PaintedPreview): Promise<BlobRef> {
  const { data, width, height } = preview;
  const path = files.path(`${name}.jpg`);
  await writeJpeg(path, data, { width, height });
  return await files.store(name, { path, contentType: "image/jpeg", width, height });
}

async function storeComparison(
  files: StageFiles,
  before: PaintedPreview,
  after: PaintedPreview,
): Promise<BlobRef> {
  const path = files.path("comparison.jpg");
  const size = await writeComparison({
    before: await writePreviewRaster(files.path("before.tif"), before),
    after: await writePreviewRaster(files.path("after.tif"), after),
    out: path,
    maxSidePixels: COMPARISON_SIDE_MAX,
  });
  return await files.store("comparison", { path, contentType: "image/jpeg", ...size });
}

async function writePreviewRaster(path: string, { data, width, height }: PaintedPreview): Promise<string> {
  await using raster = await createRaster(path, { width, height, channels: 3, bits: 8 });
  await raster.writeRows(data);
  await raster.finish();
  return path;
}
