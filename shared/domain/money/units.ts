/** How many units a restoration counts: one for up to 16 megapixels delivered, two up to 64, four above. */
import { INPUT_PIXELS_MAX, OUTPUT_PIXELS_MAX } from "../limits.ts";
import type { Options } from "../options.ts";

const STEPS = [
  { pixelsMax: 16_000_000, units: 1 },
  { pixelsMax: 64_000_000, units: 2 },
] as const;
const UNITS_MAX = 4;

/** @param pixels of the delivered result. */
export function unitsOf(pixels: number): number {
  return STEPS.find((step) => pixels <= step.pixelsMax)?.units ?? UNITS_MAX;
}

/**
 * The units a bound is taken for, before anything is known of the photograph: those of the largest result that the
 * options allow. At the job's end they may fall to those of the pixels delivered; they never rise.
 */
export function unitsAtMost({ operations }: Pick<Options, "operations">): number {
  return unitsOf(Math.min(OUTPUT_PIXELS_MAX, INPUT_PIXELS_MAX * operations.upscale ** 2));
}
