/**
 * The plan: which stages a photograph needs, with which model, and why. A pure function of what was asked, what was
 * measured and what the agent at hand can run. Every stage appears, the skipped ones with their reason.
 */
import type { Analysis, IntakeMeasures } from "./analysis.ts";
import { findModel, isBuiltIn, modelsFor } from "./catalogue.ts";
import { planCleaning } from "./cleaning.ts";
import { OUTPUT_PIXELS_MAX } from "./limits.ts";
import type { Capabilities } from "./message.ts";
import type { ModelTask } from "./model.ts";
import type { Options } from "./options.ts";
import type { StageKind } from "./stage.ts";

export interface PlanStep {
  readonly kind: StageKind;
  readonly run: boolean;
  readonly model?: string;
  /** One clause a user can read: why it runs, or why it is skipped. */
  readonly reason: string;
  /** The command that would enable a stage skipped for want of a model. */
  readonly enable?: string;
}

export interface Plan {
  readonly steps: readonly PlanStep[];
  /** Enlargement of each side, after the limits. */
  readonly scale: 1 | 2 | 4;
}

export interface PlanAsk {
  readonly options: Options;
  readonly measures: IntakeMeasures;
  readonly analysis: Analysis;
  readonly can: Pick<Capabilities, "stages" | "models">;
}

export function planStages(ask: PlanAsk): Plan {
  const { options, analysis } = ask;
  const scale = scaleWithinLimits(ask);
  const enlargement = upscale(ask, scale);
  return {
    scale,
    steps: [
      { kind: "analyze", run: true, reason: "measures what the photograph needs" },
      repair(ask),
      denoise(ask, enlargement),
      colorize(ask),
      faces(ask),
      enlargement,
      { kind: "finish", run: true, reason: finishReason(options, analysis) },
    ],
  };
}

/**
 * On request only: searching for scratches without a model trained for it loses on all but heavily damaged photographs
 * (docs/quality.md), since railings and rigging look like scratches.
 */
function repair(ask: PlanAsk): PlanStep {
  const choice = ask.options.operations.repair;
  if (choice === false) return skip("repair", "switched off");
  if (choice === "auto")
    return skip("repair", "scratches are mended only when asked for (operations.repair, --repair)");
  return withModel(ask, { kind: "repair", task: "repair", want: "scratches, as asked for" });
}

function denoise(ask: PlanAsk, enlargement: PlanStep): PlanStep {
  const { options, measures, analysis, can } = ask;
  if (options.operations.denoise === false) return skip("denoise", "switched off");
  if (options.operations.denoise === "auto" && cleans(enlargement))
    return skip("denoise", `left to ${enlargement.model}, which takes grain and JPEG blocks away itself`);
  const { passes, missing } = planCleaning({ options, measures, analysis, models: can.models });
  const needs = {
    dejpeg: `JPEG quality ${measures.jpegQuality ?? 100}`,
    denoise: `grain σ ${levels(analysis.noise)} of 255`,
  };
  const last = passes.at(-1);
  const task = last?.task ?? missing[0];
  if (task === undefined) return skip("denoise", `the grain is slight (σ ${levels(analysis.noise)} of 255)`);
  if (last === undefined || !can.stages.includes("denoise"))
    return withModel(ask, {
      kind: "denoise",
      task,
      want: [...passes.map((pass) => pass.task), ...missing].map((each) => needs[each]).join(", "),
    });
  const parts = passes.map((pass) => {
    const by = pass === last ? "" : ` by ${pass.model}`;
    if (pass.task === "dejpeg") return `${needs.dejpeg}: blocks smoothed${by}`;
    return `${needs.denoise} taken at strength ${levels(pass.sigma)}`;
  });
  const lacking = missing.map((each) => `; ${needs[each]}: no model for it is here`);
  return { kind: "denoise", run: true, model: last.model, reason: parts.join(", then ") + lacking.join("") };
}

function cleans({ run, model }: PlanStep): boolean {
  return run && model !== undefined && findModel(model)?.cleans === true;
}

function colorize(ask: PlanAsk): PlanStep {
  if (!ask.options.operations.colorize) return skip("colorize", "not asked for");
  if (!ask.analysis.gray && !ask.analysis.sepia) return skip("colorize", "the photograph has its colours");
  return withModel(ask, { kind: "colorize", task: "colorize", want: "colour was asked for" });
}

function faces(ask: PlanAsk): PlanStep {
  const choice = ask.options.operations.faces;
  if (choice === false) return skip("faces", "switched off");
  if (ask.analysis.facesUnknown && choice === "auto")
    return skip("faces", "no face detector is here", "npm run models -- pull blazeface");
  const count = ask.analysis.faces.length;
  if (count === 0) return skip("faces", "no face was found");
  return withModel(ask, { kind: "faces", task: "face", want: count === 1 ? "one face" : `${count} faces` });
}

function upscale(ask: PlanAsk, scale: Plan["scale"]): PlanStep {
  const asked = ask.options.operations.upscale;
  if (asked === 1) return skip("upscale", "the size was to stay as it is");
  if (scale === 1) return skip("upscale", `×${asked} would pass ${OUTPUT_PIXELS_MAX / 1e6} megapixels`);
  const lowered =
    scale < asked
      ? `enlarged ×${scale} instead of ×${asked}, to stay below ${OUTPUT_PIXELS_MAX / 1e6} megapixels`
      : `enlarged ×${scale}`;
  return withModel(ask, { kind: "upscale", task: "upscale", want: lowered, scale });
}

function scaleWithinLimits({ options, measures }: PlanAsk): Plan["scale"] {
  const asked = options.operations.upscale;
  for (const scale of [4, 2] as const) {
    if (scale <= asked && measures.width * measures.height * scale * scale <= OUTPUT_PIXELS_MAX) return scale;
  }
  return 1;
}

/** The best model for the task that is at hand; without one the stage is skipped, with the command that helps. */
function withModel(
  ask: PlanAsk,
  of: { kind: StageKind; task: ModelTask; want: string; scale?: 2 | 4 },
): PlanStep {
  const ranked = modelsFor(of.task, {
    preset: ask.options.preset,
    ...(of.scale === undefined ? {} : { scale: of.scale }),
  });
  if (!ask.can.stages.includes(of.kind))
    return skip(of.kind, `${of.want}; the agents here do not run this stage`);
  const model = ranked.find((id) => ask.can.models.includes(id));
  if (model !== undefined) return { kind: of.kind, run: true, model, reason: of.want };
  const best = ranked.find((id) => !isAlwaysHere(id));
  return skip(
    of.kind,
    `${of.want}; no model for it is here`,
    best === undefined ? undefined : `npm run models -- pull ${best}`,
  );
}

function isAlwaysHere(id: string): boolean {
  const entry = findModel(id);
  return entry !== undefined && isBuiltIn(entry);
}

function finishReason(options: Options, analysis: Analysis): string {
  const { fading, cast } = analysis.tone;
  const parts: string[] = [];
  if (options.operations.tone !== false) {
    if (fading > 0) parts.push(`fading of ${percent(fading)} undone`);
    if (cast > 0) parts.push(`colour cast of ${percent(cast)} undone`);
  }
  if (analysis.gray) parts.push("kept gray");
  return [...parts, `written as ${options.output.format}`].join(", ");
}

function skip(kind: StageKind, reason: string, enable?: string): PlanStep {
  return { kind, run: false, reason, ...(enable === undefined ? {} : { enable }) };
}

const levels = (unit: number): string => (unit * 255).toFixed(1);
const percent = (unit: number): string => `${Math.round(unit * 100)} %`;
