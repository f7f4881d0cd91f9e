import { planCleaning } from "#shared/domain/cleaning.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import type { StageRunner } from "./stage.ts";
import { runModelPass, storePass, type ModelPass } from "./tiled-stage.ts";

/**
 * Takes away JPEG's blocks and the grain, each by a pass of its own and only where the plan's rules call for it; blocks
 * first. What lies between the passes stays in the run's scratch folder.
 * @throws Fault missing `model_missing` when nothing here can do it; as `runModelPass`.
 */
export const denoise: StageRunner = async (work, signal) => {
  const { lease, files, models, report } = work;
  const { options, measures, analysis } = lease;
  invariant(analysis !== undefined, "the picture was analysed before");
  const { passes } = planCleaning({ options, measures, analysis, models: models.ids });
  const last = passes.at(-1);
  if (last === undefined)
    throw new Fault("missing", "model_missing", "No model here takes away grain or JPEG blocks.");
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "fetching", model: last.model });
  let path = await files.fetch(lease.image);
  for (const [index, pass] of passes.entries()) {
    const ask: ModelPass = {
      model: pass.model,
      path,
      out: files.path(`pass-${index}.tif`),
      scale: 1,
      conditions: pass.task === "dejpeg" ? { quality: pass.quality } : { sigma: pass.sigma },
      answer: "picture",
      share: [index / passes.length, (index + 1) / passes.length],
    };
    if (pass === last) {
      return { outputs: { image: await storePass(work, ask, signal) }, model: pass.model, warnings: [] };
    }
    await runModelPass(work, ask, signal);
    path = ask.out;
  }
  throw new Error("unreachable: the last pass returns");
};
