import type { Analysis } from "./analysis.ts";
import { planCleaning } from "./cleaning.ts";
import type { Job } from "./job.ts";
import { STAGE_MODELS_MAX, type Capabilities, type StageAhead } from "./message.ts";
import { planStages } from "./plan.ts";
import { STAGE_KINDS, type Stage, type StageKind } from "./stage.ts";

export interface StageModelsAsk {
  readonly job: Pick<Job, "options" | "measures" | "stages">;
  /** Absent before the end of the analysis. */
  readonly analysis?: Analysis;
  /** Of the agent that would run the stages. */
  readonly can: Pick<Capabilities, "stages" | "models">;
}

type PlannedStage = Pick<Stage, "kind" | "model">;

/** Whatever an analysis finds only adds to what is planned for this one, and takes no model of it away. */
const NOTHING_FOUND: Analysis = {
  noise: 0,
  sharpness: 1,
  gray: false,
  sepia: false,
  tone: { black: [0, 0, 0], white: [1, 1, 1], fading: 0, cast: 0 },
  faces: [],
  facesUnknown: false,
};

/**
 * The models at hand that a stage of the job will use, in the order of their use: what a pool does well to have ready.
 * Empty where only its run will tell.
 */
export function modelsOfStage(ask: StageModelsAsk, stage: PlannedStage): string[] {
  return namesOf(ask, stage)
    .filter((model) => ask.can.models.includes(model))
    .slice(0, STAGE_MODELS_MAX);
}

function namesOf({ job, analysis, can }: StageModelsAsk, { kind, model }: PlannedStage): readonly string[] {
  const planned = model === undefined ? [] : [model];
  switch (kind) {
    // Its face detector is the agent's own choice among those that it can decode: no plan names it.
    case "analyze":
    // Uses none: tone and encoding are code.
    case "finish":
      return [];
    case "denoise": {
      const { options, measures } = job;
      if (analysis === undefined || measures === undefined) return planned;
      // The stage asks the same when it runs: its plan names only the last of two models.
      const { passes } = planCleaning({ options, measures, analysis, models: can.models });
      return passes.map((pass) => pass.model);
    }
    // One each, however often it passes over the picture; what `repair` finds is filled without a model.
    case "repair":
    case "colorize":
    case "faces":
    case "upscale":
      return planned;
  }
}

/**
 * The stages of the job that are still to be started, in their order: those after `after`, or all. Before the analysis has
 * ended they are those that will run whatever it finds, with the models that are sure: the enlargement, most of all.
 */
export function stagesAhead(ask: StageModelsAsk, after?: StageKind): StageAhead[] {
  const first = after === undefined ? 0 : STAGE_KINDS.indexOf(after) + 1;
  const open = ask.job.stages.filter(
    ({ kind, status }) => STAGE_KINDS.indexOf(kind) >= first && (status === "blocked" || status === "ready"),
  );
  const isPlanned = ask.job.stages.some(({ kind, status }) => kind === "analyze" && status === "done");
  if (isPlanned) return open.map((stage) => ({ stage: stage.kind, models: modelsOfStage(ask, stage) }));
  const sure = { ...ask, analysis: NOTHING_FOUND };
  return leastPlan(ask)
    .filter(({ kind }) => open.some((stage) => stage.kind === kind))
    .map((step) => ({ stage: step.kind, models: modelsOfStage(sure, step) }));
}

/** The steps that no analysis can take away: those of a photograph in which nothing is found. */
function leastPlan({ job: { options, measures }, can }: StageModelsAsk): readonly PlannedStage[] {
  if (measures === undefined) return [];
  return planStages({ options, measures, analysis: NOTHING_FOUND, can }).steps.filter((step) => step.run);
}
