import type { BlobRef } from "#shared/domain/blob.ts";
import type { Lease } from "#shared/domain/message.ts";
import { writeJpeg } from "../image/codec.ts";
import { encodeRaster, type EncodedPicture } from "../image/encode.ts";
import { openRaster } from "../image/raster.ts";
import { rowSamples, type RasterShape } from "../image/raster-shape.ts";
import { bicubic, resize, type FloatPicture } from "../image/resample.ts";
import { copyRows, widenedSource, type RowTransform } from "../image/row-source.ts";
import { applyTone, toneCorrection } from "../image/tone.ts";
import {
  createPreviewer,
  paintPreview,
  sideBySide,
  type PaintedPreview,
  type PreviewSize,
} from "./preview.ts";
import type { StageFiles, StageRunner, StageWork } from "./stage.ts";

const PREVIEW_SIDE_MAX = 1024;
const SOFTWARE = "PhotoKeep";

/**
 * Writes the result: fading and cast undone as far as they were measured, gray kept gray, alpha merged, in the format
 * that was asked for. Beside it two previews, before and after, and both side by side.
 * Outputs: `image`, `before`, `after`, `comparison`.
 */
export const finish: StageRunner = async (work, signal) => {
  const { lease, files, report } = work;
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "fetching" });
  const raster = await files.fetch(lease.image);
  const alpha = lease.alpha === undefined ? undefined : await files.fetch(lease.alpha);
  const opacity = alpha === undefined ? undefined : await previewOf(alpha, signal);
  const shape = await shapeOf(raster);
  const gray = lease.analysis?.gray === true && !lease.options.operations.colorize;

  // The preview is made of the very rows that are written: nothing is read or computed twice.
  const previewer = createPreviewer({ ...shape, bits: 16 }, PREVIEW_SIDE_MAX);
  const tone = toneTransform(lease, shape);
  // What shows the original is made while the threads of the encoder are busy.
  const [encoded, before] = await Promise.all([
    encodeRaster({
      raster,
      ...(alpha === undefined ? {} : { alpha }),
      out: files.path("result"),
      ...lease.options.output,
      gray,
      rowTransform(band, firstRow) {
        tone?.(band, firstRow);
        previewer.push(band);
        reportRows(work, (firstRow + band.length / rowSamples(shape)) / shape.height);
      },
      metadata: { software: SOFTWARE },
      signal,
    }),
    showOriginal(work, { opacity, size: previewer.size }, signal),
  ]);

  const after = paintPreview({ picture: previewer.finish(), opacity, gray });
  const [image, afterBlob, comparison] = await Promise.all([
    storeResult(files, encoded),
    storePicture(files, "after", after),
    storePicture(files, "comparison", sideBySide(before.enlarged, after)),
  ]);
  return {
    outputs: { image, before: before.blob, after: afterBlob, comparison },
    warnings: encoded.warnings,
  };
};

/** Stores the preview of the original, and brings it to the size of the result's for the comparison. */
async function showOriginal(
  { lease, files }: StageWork,
  ask: { opacity: FloatPicture | undefined; size: PreviewSize },
  signal: AbortSignal,
): Promise<{ blob: BlobRef; enlarged: PaintedPreview }> {
  const { opacity, size } = ask;
  const picture = await previewOf(await files.fetch(lease.original), signal);
  const blob = await storePicture(files, "before", paintPreview({ picture, opacity, gray: false }));
  const enlarged = paintPreview({ picture: resize(picture, size, bicubic), opacity, gray: false });
  return { blob, enlarged };
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

async function storePicture(files: StageFiles, name: string, picture: PaintedPreview): Promise<BlobRef> {
  const { data, width, height } = picture;
  const path = files.path(`${name}.jpg`);
  await writeJpeg(path, data, { width, height });
  return await files.store(name, { path, contentType: "image/jpeg", width, height });
}
