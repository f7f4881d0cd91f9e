import type { Analysis } from "#shared/domain/analysis.ts";
import type { Pixels } from "./pixel-sample.ts";
import { quantile } from "./quantile.ts";

/**
 * Where black and white lie in photographs that have not faded, and how far from it a picture must be before it counts
 * as faded. Read off the clean pictures of Kodak24, Set5 and Set14 and rounded; no more is claimed than "about here".
 */
type Expectation = {
  /** Usual level of the darkest pixels; of a faded picture's darkest level, at most `darkShare` is taken for scenery. */
  dark: number;
  darkShare: number;
  /** Usual level of the brightest pixels. */
  bright: number;
  /** A lifted shadow counts from the first level, fully from the second, if the whites have sunk as well … */
  liftedFrom: readonly [number, number];
  sunkenFrom: readonly [number, number];
  /** … and the darkest level on its own account from these. */
  veiledFrom: readonly [number, number];
};

/** In colour the darkest channel of the darkest pixels is nearly always close to zero (He et al. 2009, "dark channel"). */
const colourExpectation: Expectation = {
  dark: 0.06,
  darkShare: 0.3,
  bright: 0.985,
  liftedFrom: [0.06, 0.075],
  sunkenFrom: [0.965, 0.945],
  veiledFrom: [0.105, 0.13],
};

/** Luma alone says much less: a gray morning has no black. */
const monochromeExpectation: Expectation = {
  dark: 0.1,
  darkShare: 0.5,
  bright: 0.96,
  liftedFrom: [0.12, 0.17],
  sunkenFrom: [0.94, 0.92],
  veiledFrom: [0.19, 0.23],
};

/** A photograph ends in mounts, frames and the scanner's lid: this share of each side is left out. */
const marginShare = 0.03;
/** The share of pixels taken as darkest and brightest. */
const extremeShare = 0.002;
/** Fewer pixels, or a flatter picture, say nothing about fading. */
const pixelsMin = 256;
const rangeMin = 0.2;
/** Past this, "black" is a bright scene. With the caps below every channel keeps a contrast of .15 or more. */
const blackMax = 0.3;
/** No single channel's ends lie beyond these, whatever was found: each keeps a contrast of .15 at least. */
const channelBlack = [-0.2, 0.425] as const;
const channelWhite = [0.575, 1.2] as const;
/**
 * Differences between the channels' ends: what occurs in sound photographs, the share of the excess to correct, and the
 * most that is corrected. Warm whites are often meant, warm shadows hardly ever.
 */
const blackCast = { tolerance: 0.04, share: 0.8, most: 0.15 };
const whiteCast = { tolerance: 0.05, share: 0.4, most: 0.1 };

type Triple = [number, number, number];
type Tone = Analysis["tone"];

const unfaded: Tone = { black: [0, 0, 0], white: [1, 1, 1], fading: 0, cast: 0 };

/**
 * Measures how far a photograph has faded: the level in 0..1 to which black has risen and white has sunk in each
 * channel, with 0 and 1 where there is no evidence of it. Fading lifts the blacks, so a photograph whose blacks are still
 * black is left alone: an evening sky stays warm and a low-key picture dark. Whites are held to have sunk no further
 * than the blacks have risen, since many sound photographs hold no white at all. In a gray or toned print all channels are
 * judged by their luma alone, so that the tone of the paper stays.
 */
export function measureTone(overview: Pixels, kind: { gray: boolean; sepia: boolean }): Tone {
  const inner = withoutSpecks(overview);
  if (inner.length < pixelsMin * 3) return unfaded;
  const monochrome = kind.gray || kind.sepia;
  const expected = monochrome ? monochromeExpectation : colourExpectation;
  const found = monochrome ? lumaEnds(inner) : channelEnds(inner);
  const evidence = evidenceOfFading(found, expected);
  if (evidence === 0 || found.brightest - found.darkest < rangeMin) return unfaded;

  const common = commonEnds(found, expected);
  const ends = monochrome ? tonedEnds(found, common) : castEnds(found, common);
  const black = ends.black.map((level) => evidence * within(level, channelBlack)) as Triple;
  const white = ends.white.map((level) => 1 - evidence * (1 - within(level, channelWhite))) as Triple;
  return {
    black,
    white,
    fading: within(1 - (mean(white) - mean(black)), [0, 1]),
    cast: monochrome ? 0 : within(Math.max(spread(black), spread(white)), [0, 1]),
  };
}

/** What was found at the two ends of the range. */
type Ends = {
  /** The level that only the darkest and brightest 0.2 % of the pixels pass, in any channel. */
  darkest: number;
  brightest: number;
  /** Mean colour of the darkest pixels that are no colour of their own, and of the brightest. */
  shadow: Triple;
  light: Triple;
  /** How dark the shadows are, 0..1: the level that tells whether they are lifted. */
  shade: number;
};

/** 0 none, 1 certain. */
function evidenceOfFading(found: Ends, expected: Expectation): number {
  const lifted = ramp(found.shade, expected.liftedFrom) * ramp(found.brightest, expected.sunkenFrom);
  return Math.max(lifted, ramp(found.darkest, expected.veiledFrom));
}

/** Solves darkest = black + a · dark, brightest = black + a · bright for the black level and the remaining contrast a. */
function commonEnds(found: Ends, expected: Expectation) {
  const dark = Math.min(expected.dark, expected.darkShare * found.darkest);
  const contrast = (found.brightest - found.darkest) / (expected.bright - dark);
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
 * The ends of each channel. Deepest shadows and brightest whites are nearly neutral in sound photographs, so what the
 * channels differ there beyond a tolerance is a cast.
 */
function castEnds(found: Ends, common: { black: number; white: number }) {
  const lowest = Math.min(...found.shadow);
  const highest = Math.max(...found.light);
  return {
    black: found.shadow.map((level) => common.black + excess(level - lowest, blackCast)),
    white: found.light.map((level) => common.white - excess(highest - level, whiteCast)),
  };
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

/**
 * The picture without its margin, each value replaced by the median of its nine neighbours: scratches, dust and single
 * hot pixels decide nothing.
 */
function withoutSpecks(picture: Pixels): Float32Array {
  const { width, height } = picture;
  const left = Math.max(1, Math.floor(width * marginShare));
  const top = Math.max(1, Math.floor(height * marginShare));
  const inner = new Float32Array(Math.max(0, width - 2 * left) * Math.max(0, height - 2 * top) * 3);
  let write = 0;
  for (let y = top; y < height - top; y++) {
    const columns = sortedColumns(picture, y);
    for (let at = left * 3; at < (width - left) * 3; at++) inner[write++] = medianOfNine(columns, at);
  }
  return inner;
}

/** Of each value of a row, with the ones above and below it: the lowest, the middle and the highest. */
type SortedColumns = { lows: Float32Array; middles: Float32Array; highs: Float32Array };

function sortedColumns({ width, data }: Pixels, y: number): SortedColumns {
  const row = width * 3;
  const columns = {
    lows: new Float32Array(row),
    middles: new Float32Array(row),
    highs: new Float32Array(row),
  };
  for (let at = 0, from = y * row; at < row; at++, from++) {
    const a = data[from - row]!;
    const b = data[from]!;
    const c = data[from + row]!;
    columns.lows[at] = Math.min(a, b, c);
    columns.middles[at] = medianOfThree(a, b, c);
    columns.highs[at] = Math.max(a, b, c);
  }
  return columns;
}

/** The median of three sorted triples is that of the highest low, the middle middle and the lowest high. */
function medianOfNine({ lows, middles, highs }: SortedColumns, at: number): number {
  return medianOfThree(
    Math.max(lows[at - 3]!, lows[at]!, lows[at + 3]!),
    medianOfThree(middles[at - 3]!, middles[at]!, middles[at + 3]!),
    Math.min(highs[at - 3]!, highs[at]!, highs[at + 3]!),
  );
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}

/**
 * The ends in colour. Neutral pixels are sought by their highest and their lowest channel, so that a red door is no
 * shadow and a yellow cap no white.
 */
function channelEnds(inner: Float32Array): Ends {
  const lowest = perPixel(inner, (red, green, blue) => Math.min(red, green, blue));
  const highest = perPixel(inner, (red, green, blue) => Math.max(red, green, blue));
  const shadowMax = quantile(highest, extremeShare);
  const lightMin = quantile(lowest, 1 - extremeShare);
  const shadow = meanColour(inner, (pixel) => highest[pixel]! <= shadowMax);
  const light = meanColour(inner, (pixel) => lowest[pixel]! >= lightMin);
  return {
    darkest: quantile(lowest, extremeShare),
    brightest: quantile(highest, 1 - extremeShare),
    shadow,
    light,
    shade: Math.min(...shadow),
  };
}

function lumaEnds(inner: Float32Array): Ends {
  const luma = perPixel(inner, (red, green, blue) => 0.299 * red + 0.587 * green + 0.114 * blue);
  const darkest = quantile(luma, extremeShare);
  const brightest = quantile(luma, 1 - extremeShare);
  const shadow = meanColour(inner, (pixel) => luma[pixel]! <= darkest);
  const light = meanColour(inner, (pixel) => luma[pixel]! >= brightest);
  return { darkest, brightest, shadow, light, shade: darkest };
}

function meanColour(inner: Float32Array, included: (pixel: number) => boolean): Triple {
  const sum: Triple = [0, 0, 0];
  let count = 0;
  for (let pixel = 0; pixel < inner.length / 3; pixel++) {
    if (!included(pixel)) continue;
    for (let channel = 0; channel < 3; channel++) sum[channel]! += inner[pixel * 3 + channel]!;
    count++;
  }
  return sum.map((total) => total / count) as Triple;
}

function perPixel(
  inner: Float32Array,
  value: (red: number, green: number, blue: number) => number,
): Float32Array {
  const values = new Float32Array(inner.length / 3);
  for (let pixel = 0, at = 0; pixel < values.length; pixel++, at += 3) {
    values[pixel] = value(inner[at]!, inner[at + 1]!, inner[at + 2]!);
  }
  return values;
}

/** 0 at the first level, 1 at the second, straight between; the levels may fall as well as rise. */
function ramp(level: number, [from, to]: readonly [number, number]): number {
  return Math.min(1, Math.max(0, (level - from) / (to - from)));
}

function excess(difference: number, limit: { tolerance: number; share: number; most: number }): number {
  return Math.min(limit.most, Math.max(0, difference - limit.tolerance) * limit.share);
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
