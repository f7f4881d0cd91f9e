/**
 * The plan: which stages a photograph needs, with which model, and why. A pure function of what was asked, what was
 * measured and what the agent at hand can run. Every stage appears, the skipped ones with their reason.
 */
import type { Analysis, IntakeMeasures } from "./analysis.ts";
import { modelsFor } from "./catalogue.ts";
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

/** Grain below this (standard deviation, 0..1) is left alone: half a level of 255 short of what an eye finds. */
const NOISE_NOTABLE = 0.012;
/** JPEG quality below which blocks are visible at normal viewing distance. */
const JPEG_QUALITY_NOTABLE = 70;

export function planStages(ask: PlanAsk): Plan {
  const { options, analysis } = ask;
  const scale = scaleWithinLimits(ask);
  return {
    scale,
    steps: [
      { kind: "analyze", run: true, reason: "measures what the photograph needs" },
      repair(ask),
      denoise(ask),
      colorize(ask),
      faces(ask),
      upscale(ask, scale),
      { kind: "finish", run: true, reason: finishReason(options, analysis) },
    ],
  };
}

function repair(ask: PlanAsk): PlanStep {
  if (ask.options.operations.repair === false) return skip("repair", "switched off");
  return withModel(ask, { kind: "repair", task: "repair", want: "scratches and dust" });
}

function denoise(ask: PlanAsk): PlanStep {
  const choice = ask.options.operations.denoise;
  if (choice === false) return skip("denoise", "switched off");
  const { noise } = ask.analysis;
  const quality = ask.measures.jpegQuality;
  const blocks = quality !== undefined && quality < JPEG_QUALITY_NOTABLE;
  if (choice === "auto" && noise < NOISE_NOTABLE && !blocks)
    return skip("denoise", `the grain is slight (σ ${levels(noise)} of 255)`);
  const want = blocks
    ? `grain σ ${levels(noise)} of 255, JPEG quality ${Math.round(quality)}`
    : `grain σ ${levels(noise)} of 255`;
  return withModel(ask, { kind: "denoise", task: "denoise", want });
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
  const best = ranked[0];
  return skip(
    of.kind,
    `${of.want}; no model for it is here`,
    best === undefined ? undefined : `npm run models -- pull ${best}`,
  );
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
