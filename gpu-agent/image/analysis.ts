import type { Analysis } from "#shared/domain/analysis.ts";
import { measureChroma } from "./chroma.ts";
import { measureNoise } from "./noise.ts";
import type { PixelSample } from "./pixel-sample.ts";
import { measureSharpness } from "./sharpness.ts";
import { measureTone } from "./tone-measure.ts";

/** Everything the analysis measures without a model. */
export type PixelAnalysis = Omit<Analysis, "faces" | "facesUnknown">;

/**
 * Measures a photograph on its sample: tone and chroma on the overview, which shows all of it with its grain averaged
 * away; grain and sharpness on the full-resolution tiles, which scaling would change. Pure; about 0.1 s for a picture of 512 × 512, 0.3 s at most.
 */
export function analyzePixels(sample: PixelSample): PixelAnalysis {
  const noise = measureNoise(sample.tiles);
  const { gray, sepia } = measureChroma(sample.overview);
  return {
    noise,
    sharpness: measureSharpness(sample.tiles, noise),
    gray,
    sepia,
    tone: measureTone(sample.overview, { gray, sepia }),
  };
}
