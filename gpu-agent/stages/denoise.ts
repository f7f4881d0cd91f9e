import { planCleaning } from "#shared/domain/cleaning.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import type { StageRunner } from "./stage.ts";
import { runPasses } from "./tiled-stage.ts";

/**
 * Takes away JPEG's blocks and the grain, each by a pass of its own and only where the plan's rules call for it; blocks
 * first.
 * @throws Fault missing `model_missing` when nothing here can do it; as `runModelPass`.
 */
export const denoise: StageRunner = async (work, signal) => {
  const { options, measures, analysis } = work.lease;
  invariant(analysis !== undefined, "the picture was analysed before");
  const { passes } = planCleaning({ options, measures, analysis, models: work.models.ids });
  if (passes.length === 0)
    throw new Fault("missing", "model_missing", "No model here takes away grain or JPEG blocks.");
  const asks = passes.map((pass) => ({
    model: pass.model,
    scale: 1,
    conditions: pass.task === "dejpeg" ? { quality: pass.quality } : { sigma: pass.sigma },
  }));
  return await runPasses(work, asks, signal);
};
