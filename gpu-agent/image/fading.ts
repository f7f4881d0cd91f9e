import type { Ends } from "./tone-ends.ts";

/** Where black and white of each channel lie after fading, 0..1: red, green, blue. */
export interface FadedEnds {
  readonly black: readonly number[];
  readonly white: readonly number[];
}

/**
 * One row for each of black's and white's channels: a constant, then the factors of {@link fadingFeatures}. Fitted by
 * `npm run fit:fading`, which prints these rows; nothing of Kodak24 took part, so that it can judge them.
 */
const WEIGHTS: readonly (readonly number[])[] = [
  [0.148, 0.278, 0.105, -0.036, -0.021, -0.059, -0.034, 0.397, -0.063],
  [0.14, -0.119, 0.571, 0.048, -0.019, -0.022, -0.099, 0.268, -0.032],
  [0.141, -0.221, 0.021, 0.547, -0.028, -0.025, -0.052, 0.459, -0.06],
  [0.572, -0.009, -0.159, -0.139, 0.213, -0.058, -0.09, 0.002, 0.384],
  [0.628, -0.011, -0.229, -0.125, -0.101, 0.289, -0.056, -0.063, 0.264],
  [0.62, 0.073, -0.267, -0.113, -0.11, -0.165, 0.542, -0.166, 0.144],
];

/**
 * Estimates where a faded colour photograph's black and white have gone, by ridge regression (A. Hoerl and R. Kennard,
 * "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12, 1970) from its darkest and
 * brightest pixels: it leans towards what is usual where the scene leaves it open, such as a picture without a white.
 */
export function fadedEnds(found: Ends): FadedEnds {
  const features = fadingFeatures(found);
  const levels = WEIGHTS.map(([constant = 0, ...factors]) =>
    factors.reduce((sum, factor, i) => sum + factor * features[i]!, constant),
  );
  return { black: levels.slice(0, 3), white: levels.slice(3) };
}

/** What the estimate is made from: the colours of shadow and light, the darkest and the brightest level. */
export function fadingFeatures({ shadow, light, darkest, brightest }: Ends): number[] {
  return [...shadow, ...light, darkest, brightest];
}
