import type { Analysis, IntakeMeasures } from "./analysis.ts";
import { modelsFor } from "./catalogue.ts";
import type { ModelId } from "./model.ts";
import type { Options } from "./options.ts";

/** Grain below this (standard deviation, 0..1) is left alone: half a level of 255 short of what an eye finds. */
const NOISE_NOTABLE = 0.012;
/**
 * JPEG quality below which its blocks are taken away before the grain: at 85 that loses against the grain alone, at 75 it
 * is even, at 55 it gains 0.1–0.5 dB (docs/chain.md).
 */
const JPEG_QUALITY_NOTABLE = 80;

/**
 * Denoisers are trained on noise that is apart in every channel and pixel. Film grain is mostly common to the channels and
 * JPEG has spread it, so that the lightness carries more of it than one channel's measure says. Twice the measure came
 * nearest to the truth at every severity of the benchmark; where the blocks have gone before, part of the grain went with
 * them.
 */
const STRENGTH = { asFound: 2, withoutBlocks: 1.5 } as const;
/** Beyond 20 of 255 FFDNet leaves less than a tenth of the finest detail of skin, whatever the grain was. */
const STRENGTH_MAX = 20 / 255;

/** What the cleaning is decided from. */
export interface CleaningAsk {
  readonly options: Options;
  readonly measures: Pick<IntakeMeasures, "jpegQuality">;
  readonly analysis: Analysis;
  /** Ids of the models at hand. */
  readonly models: readonly string[];
}

/** One model over the whole picture. */
type CleaningPass =
  | { readonly task: "dejpeg"; readonly model: ModelId; /** 1–100. */ readonly quality: number }
  | {
      readonly task: "denoise";
      readonly model: ModelId;
      /** Noise level to remove, 0..1. */ readonly sigma: number;
    };

export interface Cleaning {
  /** In their order: blocks first, since the grain that is left is then grain. At most one of a task. */
  readonly passes: readonly CleaningPass[];
  /** Tasks that are called for and have no model here. */
  readonly missing: readonly CleaningPass["task"][];
}

/**
 * Which passes the stage `denoise` makes. The plan asks it before and the stage itself when it runs, so that the two agree
 * without a list of models in the job.
 */
export function planCleaning({ options, measures, analysis, models }: CleaningAsk): Cleaning {
  const choice = options.operations.denoise;
  if (choice === false) return { passes: [], missing: [] };
  const quality = measures.jpegQuality;
  const passes: CleaningPass[] = [];
  const missing: CleaningPass["task"][] = [];
  const find = (task: CleaningPass["task"]): ModelId | undefined => {
    const found = modelsFor(task, { preset: options.preset }).find((id) => models.includes(id));
    if (found === undefined) missing.push(task);
    return found;
  };
  if (quality !== undefined && (choice === true || quality < JPEG_QUALITY_NOTABLE)) {
    const model = find("dejpeg");
    if (model !== undefined) passes.push({ task: "dejpeg", model, quality });
  }
  if (choice === true || analysis.noise >= NOISE_NOTABLE) {
    const model = find("denoise");
    const factor = passes.length === 0 ? STRENGTH.asFound : STRENGTH.withoutBlocks;
    const sigma = Math.min(STRENGTH_MAX, analysis.noise * factor);
    if (model !== undefined) passes.push({ task: "denoise", model, sigma });
  }
  return { passes, missing };
}
