import type { Face } from "#shared/domain/analysis.ts";
import { analyzePixels } from "../image/analysis.ts";
import { createPixelSampler, type PixelSample } from "../image/pixel-sample.ts";
import { openRaster } from "../image/raster.ts";
import { allocateRows, rowsWithin, type RasterShape, type Samples } from "../image/raster-shape.ts";
import type { FloatPicture } from "../image/resample.ts";
import { widenedSource } from "../image/row-source.ts";
import { chooseDetector, detectFaces, DETECTOR_SIDE_MAX } from "./face-detector.ts";
import { createPreviewer } from "./preview.ts";
import type { StageRunner, StageWork } from "./stage.ts";

const BAND_BYTES = 4 << 20;

interface Glance {
  readonly shape: RasterShape;
  readonly sample: PixelSample;
  /** The whole picture at most DETECTOR_SIDE_MAX long. */
  readonly small: FloatPicture;
}

/**
 * Measures the photograph: grain, sharpness, gray or toned, fading and cast, faces. Reads it once, in bands, and keeps
 * a bounded sample. Leaves no outputs; `model` is the face detector that was used.
 */
export const analyze: StageRunner = async (work, signal) => {
  const { lease, files, report } = work;
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "fetching" });
  const path = await files.fetch(lease.image);
  const glance = await look(path, signal);
  report({ fraction: 0.5, tilesDone: 0, tilesTotal: 0, doing: "running" });
  const measured = analyzePixels(glance.sample);
  signal.throwIfAborted();
  const found = await findFaces(work, glance, signal);
  return {
    outputs: {},
    analysis: { ...measured, faces: found?.faces ?? [], facesUnknown: found === undefined },
    ...(found === undefined ? {} : { model: found.model }),
    warnings: [],
  };
};

async function look(path: string, signal: AbortSignal): Promise<Glance> {
  await using reader = await openRaster(path);
  const source = widenedSource(reader);
  const { shape } = source;
  const sampler = createPixelSampler(shape);
  const previewer = createPreviewer(shape, DETECTOR_SIDE_MAX);
  const count = rowsWithin(shape, BAND_BYTES);
  const band = allocateRows(shape, count);
  const colours = allocateRows({ ...shape, channels: 3 }, shape.channels === 3 ? 0 : count);
  for (let y = 0; y < shape.height; y += count) {
    signal.throwIfAborted();
    const rows = await source.readRows(y, Math.min(count, shape.height - y), band);
    sampler.push(shape.channels === 3 ? rows : asColour(rows, colours));
    await previewer.writeRows(rows);
  }
  return { shape, sample: sampler.finish(), small: previewer.finish() };
}

/** Gray samples as RGB, in the buffer given. */
function asColour(gray: Samples, into: Samples): Samples {
  for (let i = 0, at = 0; i < gray.length; i += 1, at += 3) into[at] = into[at + 1] = into[at + 2] = gray[i]!;
  return into.subarray(0, gray.length * 3);
}

async function findFaces(
  { lease, models, report }: StageWork,
  { shape, small }: Glance,
  signal: AbortSignal,
): Promise<{ faces: Face[]; model: string } | undefined> {
  const detector = chooseDetector(models.ids, lease.options.preset);
  if (detector === undefined) return undefined;
  await using use = await models.use(detector, signal);
  report({ fraction: 0.8, tilesDone: 0, tilesTotal: 1, doing: "running", model: detector });
  return { faces: await detectFaces(use.model, small, shape), model: detector };
}
