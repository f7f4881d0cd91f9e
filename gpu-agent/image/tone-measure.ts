import type { Analysis } from "#shared/domain/analysis.ts";
import { fadedEnds } from "./fading.ts";
import type { Pixels } from "./pixel-sample.ts";
import { channelEnds, lumaEnds, withoutSpecks, type Ends, type Triple } from "./tone-ends.ts";

/**
 * How far black and white must be from where they lie in sound photographs before a picture counts as faded. Read off
 * the clean pictures of Kodak24, Set5 and Set14 and rounded; no more is claimed than "about here".
 */
type Signs = {
  /** A lifted shadow counts from the first level, fully from the second, if the whites have sunk as well … */
  liftedFrom: readonly [number, number];
  sunkenFrom: readonly [number, number];
  /** … and the darkest level on its own account from these. */
  veiledFrom: readonly [number, number];
};

/** In colour the darkest channel of the darkest pixels is nearly always close to zero (He et al. 2009, "dark channel"). */
const colourSigns: Signs = {
  liftedFrom: [0.06, 0.075],
  sunkenFrom: [0.965, 0.945],
  veiledFrom: [0.105, 0.13],
};

/** Luma alone says much less: a gray morning has no black. */
const monochromeSigns: Signs = {
  liftedFrom: [0.12, 0.17],
  sunkenFrom: [0.94, 0.92],
  veiledFrom: [0.19, 0.23],
};

/** Usual luma of the darkest and brightest pixels; of a darkest one at most `darkShare` is taken for scenery. */
const usual = { dark: 0.1, darkShare: 0.5, bright: 0.96 };

/** Fewer pixels, or a flatter picture, say nothing about fading. */
const pixelsMin = 256;
const rangeMin = 0.2;
/** Past this, the "black" of a gray print is a bright scene. */
const blackMax = 0.3;
/** No single channel's ends lie beyond these, whatever was found: each keeps a contrast of .15 at least. */
const channelBlack = [-0.2, 0.425] as const;
const channelWhite = [0.575, 1.2] as const;
type Tone = Analysis["tone"];

const unfaded: Tone = { black: [0, 0, 0], white: [1, 1, 1], fading: 0, cast: 0 };

/**
 * Measures how far a photograph has faded: the level in 0..1 to which black has risen and white has sunk in each
 * channel, with 0 and 1 where there is no evidence of it. Fading lifts the blacks, so a photograph whose blacks are still
 * black is left alone: an evening sky stays warm and a low-key picture dark. How far colour has faded is then estimated
 * as fading.ts says. In a gray or toned print all channels are judged by their luma alone, so that the tone of the paper
 * stays, and whites are held to have sunk no further than the blacks have risen.
 */
export function measureTone(overview: Pixels, kind: { gray: boolean; sepia: boolean }): Tone {
  const inner = withoutSpecks(overview);
  if (inner.length < pixelsMin * 3) return unfaded;
  const monochrome = kind.gray || kind.sepia;
  const found = monochrome ? lumaEnds(inner) : channelEnds(inner);
  const evidence = evidenceOfFading(found, monochrome ? monochromeSigns : colourSigns);
  if (evidence === 0 || found.brightest - found.darkest < rangeMin) return unfaded;

  const ends = monochrome ? tonedEnds(found, commonEnds(found)) : fadedEnds(found);
  const black = ends.black.map((level) => evidence * within(level, channelBlack)) as Triple;
  const white = ends.white.map((level) => 1 - evidence * (1 - within(level, channelWhite))) as Triple;
  return {
    black,
    white,
    fading: within(1 - (mean(white) - mean(black)), [0, 1]),
    cast: monochrome ? 0 : within(Math.max(spread(black), spread(white)), [0, 1]),
  };
}

/** 0 none, 1 certain. */
function evidenceOfFading(found: Ends, signs: Signs): number {
  const lifted = ramp(found.shade, signs.liftedFrom) * ramp(found.brightest, signs.sunkenFrom);
  return Math.max(lifted, ramp(found.darkest, signs.veiledFrom));
}

/** Solves darkest = black + a · dark, brightest = black + a · bright for the black level and the remaining contrast a. */
function commonEnds(found: Ends) {
  const dark = Math.min(usual.dark, usual.darkShare * found.darkest);
  const contrast = (found.brightest - found.darkest) / (usual.bright - dark);
  let black = found.darkest - contrast * dark;
  let white = Math.min(1, black + contrast);
  if (white < 1 - black) {
    // Whites sunk as far as blacks have risen and no further: a = 1 − 2 · black in the first equation.
    black = (found.darkest - dark) / (1 - 2 * dark);
    white = 1 - black;
  }
  black = Math.min(blackMax, Math.max(0, black));
  return { black, white: Math.max(1 - blackMax, white) };
}

/**
 * The ends of each channel of a toned print: its luma gains the contrast, while the tint of its shadows and of its
 * paper stays as strong as it was, neither stretched with the contrast nor taken away. Without tint all channels are equal.
 */
function tonedEnds(found: Ends, common: { black: number; white: number }) {
  const stretched = (luma: number) => (luma - common.black) / (common.white - common.black);
  const lines = found.shadow.map((shadow, channel) => {
    const light = found.light[channel]!;
    const shadowAfter = stretched(found.darkest) + shadow - found.darkest;
    const lightAfter = stretched(found.brightest) + light - found.brightest;
    // A channel that hardly differs between shadow and paper says nothing: it follows the others.
    if (light - shadow < rangeMin / 2 || lightAfter - shadowAfter < rangeMin / 2) return common;
    const gain = (lightAfter - shadowAfter) / (light - shadow);
    return { black: shadow - shadowAfter / gain, white: shadow + (1 - shadowAfter) / gain };
  });
  return { black: lines.map((ends) => ends.black), white: lines.map((ends) => ends.white) };
}

/** 0 at the first level, 1 at the second, straight between; the levels may fall as well as rise. */
function ramp(level: number, [from, to]: readonly [number, number]): number {
  return Math.min(1, Math.max(0, (level - from) / (to - from)));
}

function within(level: number, [least, most]: readonly [number, number]): number {
  return Math.min(most, Math.max(least, level));
}

function mean(levels: Triple): number {
  return (levels[0] + levels[1] + levels[2]) / 3;
}

function spread(levels: Triple): number {
  return Math.max(...levels) - Math.min(...levels);
}
