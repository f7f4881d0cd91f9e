import type { ModelTask } from "#shared/domain/model.ts";
import type { StageKind } from "#shared/domain/stage.ts";
import { analyze } from "./analyze.ts";
import { denoise } from "./denoise.ts";
import { finish } from "./finish.ts";
import { repair } from "./repair.ts";
import type { StageRunner } from "./stage.ts";
import { upscale } from "./upscale.ts";

export interface StageEntry {
  readonly run: StageRunner;
  /** The stage is nothing without a model of this task, which the plan then names. */
  readonly task?: ModelTask;
}

/** The stages an agent can run. The plan skips the others, and says so. */
export const STAGES: Readonly<Partial<Record<StageKind, StageEntry>>> = {
  analyze: { run: analyze },
  repair: { run: repair, task: "repair" },
  denoise: { run: denoise },
  upscale: { run: upscale, task: "upscale" },
  finish: { run: finish },
};
