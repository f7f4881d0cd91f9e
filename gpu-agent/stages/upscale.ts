import { findModel } from "#shared/domain/catalogue.ts";
import type { StageRunner } from "./stage.ts";
import { modelOf, runModelPass, runTiledStage, storePass, type ModelPass } from "./tiled-stage.ts";

/** The first of two passes computes a fifth of the pixels. */
const FIRST_SHARE = 0.2;

/**
 * Enlarges the picture by the plan's model: a ×4 model serves ×2 by proper halving, a ×2 model that may serve ×4 runs
 * twice, the picture between the passes in the run's scratch folder.
 * @throws Fault as `runModelPass`.
 */
export const upscale: StageRunner = async (work, signal) => {
  const { lease, files, report } = work;
  const model = modelOf(lease);
  const entry = findModel(model);
  if (lease.scale !== 4 || entry?.scale !== 2 || entry.twice !== true)
    return await runTiledStage(work, { scale: lease.scale, conditions: {} }, signal);
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "fetching", model });
  const first: ModelPass = {
    model,
    path: await files.fetch(lease.image),
    out: files.path("half.tif"),
    scale: 2,
    conditions: {},
    answer: "picture",
    share: [0, FIRST_SHARE],
  };
  await runModelPass(work, first, signal);
  const second = {
    ...first,
    path: first.out,
    out: files.path("image.tif"),
    share: [FIRST_SHARE, 1],
  } as const;
  return { outputs: { image: await storePass(work, second, signal) }, model, warnings: [] };
};
