import { findModel } from "#shared/domain/catalogue.ts";
import type { StageRunner } from "./stage.ts";
import { modelOf, runPasses } from "./tiled-stage.ts";

/**
 * Enlarges the picture by the plan's model: a ×4 model serves ×2 by proper halving, a ×2 model that may serve ×4 runs
 * twice.
 * @throws Fault as `runModelPass`.
 */
export const upscale: StageRunner = async (work, signal) => {
  const model = modelOf(work.lease);
  const { scale } = work.lease;
  const entry = findModel(model);
  const isTwice = scale === 4 && entry?.scale === 2 && entry.twice === true;
  const pass = { model, conditions: {} };
  // The second pass computes four times the pixels of the first.
  const passes = isTwice
    ? [
        { ...pass, scale: 2, weight: 1 },
        { ...pass, scale: 2, weight: 4 },
      ]
    : [{ ...pass, scale }];
  return await runPasses(work, passes, signal);
};
