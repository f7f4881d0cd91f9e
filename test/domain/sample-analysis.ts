import type { Analysis } from "#shared/domain/analysis.ts";

/** Of a photograph that needs nothing. */
export function sampleAnalysis(change: Partial<Analysis> = {}): Analysis {
  return {
    noise: 0,
    sharpness: 0.5,
    gray: false,
    sepia: false,
    tone: { black: [0, 0, 0], white: [1, 1, 1], fading: 0, cast: 0 },
    faces: [],
    facesUnknown: false,
    ...change,
  };
}
