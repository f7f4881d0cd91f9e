import type { Pixels } from "./pixel-sample.ts";
import { quantile } from "./quantile.ts";

/** A photograph ends in mounts, frames and the scanner's lid: this share of each side is left out. */
const marginShare = 0.03;
/** The share of pixels taken as darkest and brightest. */
const extremeShare = 0.002;

export type Triple = [number, number, number];

/** What was found at the two ends of the range. */
export type Ends = {
  /** The level that only the darkest and brightest 0.2 % of the pixels pass, in any channel. */
  darkest: number;
  brightest: number;
  /** Mean colour of the darkest pixels that are no colour of their own, and of the brightest. */
  shadow: Triple;
  light: Triple;
  /** How dark the shadows are, 0..1: the level that tells whether they are lifted. */
  shade: number;
};

/**
 * The picture without its margin, each value replaced by the median of its nine neighbours: scratches, dust and single
 * hot pixels decide nothing.
 */
export function withoutSpecks(picture: Pixels): Float32Array {
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
export function channelEnds(inner: Float32Array): Ends {
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

/** The ends by luma alone, for prints without colours of their own. */
export function lumaEnds(inner: Float32Array): Ends {
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
