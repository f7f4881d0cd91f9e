import { fillBands } from "../image/fill-bands.ts";
import { createRaster, openRaster } from "../image/raster.ts";
import { widenedSource } from "../image/row-source.ts";
import type { StageRunner } from "./stage.ts";
import { modelOf, runModelPass, within } from "./tiled-stage.ts";

/** How much of the stage's time the search takes. */
const SEARCH_SHARE = 0.8;

/**
 * Finds scratches by the plan's model and fills them from their surroundings; every sample outside of the mask stays as
 * it was, to the bit.
 * @throws Fault as `runModelPass`.
 */
export const repair: StageRunner = async (work, signal) => {
  const { lease, files, report } = work;
  const model = modelOf(lease);
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "fetching", model });
  const path = await files.fetch(lease.image);
  const maskPath = files.path("mask.tif");
  const share = [0, SEARCH_SHARE] as const;
  const search = { model, path, out: maskPath, scale: 1, conditions: {}, answer: "mask", share } as const;
  await runModelPass(work, search, signal);

  await using mask = await openRaster(maskPath);
  await using picture = await openRaster(path);
  const { width, height, channels } = picture.shape;
  const out = files.path("image.tif");
  await using writer = await createRaster(out, { width, height, channels, bits: 16 });
  const onBand = (done: number): void =>
    report({
      fraction: within([SEARCH_SHARE, 1], done),
      tilesDone: 0,
      tilesTotal: 0,
      doing: "writing",
    });
  const { marked, left } = await fillBands(
    { source: widenedSource(picture), sink: writer, mask, onBand },
    signal,
  );
  const written = await writer.finish();
  const image = await files.store("image", {
    path: out,
    contentType: "image/tiff",
    ...written,
    width,
    height,
  });
  const warnings =
    left === 0 ? [] : [`Of ${marked} damaged pixels ${left} lie too deep in a hole to be filled.`];
  return { outputs: { image }, model, warnings };
};
