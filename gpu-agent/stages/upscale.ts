import type { StageRunner } from "./stage.ts";
import { runTiledStage } from "./tiled-stage.ts";

/** Enlarges the picture by the plan's model; a ×4 model serves ×2 by proper halving. */
export const upscale: StageRunner = (work, signal) =>
  runTiledStage(work, { scale: work.lease.scale, conditions: {} }, signal);
