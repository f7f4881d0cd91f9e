import type { Pixels } from "./pixel-sample.ts";
import { quantile } from "./quantile.ts";

/** Chroma up to here cannot be told from gray, in 0..1: about eight of 255 levels. One pixel in a hundred may exceed it. */
const grayChromaMax = 0.03;
const grayShareMin = 0.99;
/** In a grainy gray print the mean chroma, in which the grain cancels out, stays below this. */
const grayToneMax = 0.015;
/**
 * In a toned print, how far a pixel lies from the mean chroma of its luma, as a share of the picture's luma range. Grainy
 * JPEGs of toned prints stay below .04, colour photographs start at .055, faded or not; stains and scratches may make up
 * one pixel in twenty.
 */
const tonedStrayMax = 0.048;
const tonedShareMin = 0.95;
const lumaBins = 24;
/**
 * A toned print has one hue: the length of its summed chroma as a share of the sum of lengths. A poster whose colours
 * happen to differ in luma has none.
 */
const hueCoherenceMin = 0.7;
/** Too flat to tell a tone from a colour. */
const lumaRangeMin = 0.05;

type Chroma = { luma: Float32Array; blue: Float32Array; red: Float32Array };

/**
 * Tells whether a photograph is gray (no visible chroma but that of grain) or sepia (chroma, but one for each luma: a
 * toned monochrome print), by the colour differences of ITU-R BT.601 on an overview whose grain is averaged away.
 */
export function measureChroma(overview: Pixels): { gray: boolean; sepia: boolean } {
  const chroma = colourDifferences(overview);
  if (quantile(magnitudesOf(chroma), grayShareMin) <= grayChromaMax) return { gray: true, sepia: false };

  const darkest = quantile(chroma.luma, 0.01);
  const range = quantile(chroma.luma, 0.99) - darkest;
  if (range < lumaRangeMin) return { gray: false, sepia: false };
  const tone = toneOf(chroma, { darkest, range });
  const isMonochrome = quantile(tone.strays, tonedShareMin) <= tonedStrayMax * range;
  const gray = isMonochrome && tone.strength <= grayToneMax;
  return { gray, sepia: isMonochrome && !gray && tone.coherence >= hueCoherenceMin };
}

function colourDifferences(picture: Pixels): Chroma {
  const count = picture.width * picture.height;
  const chroma = {
    luma: new Float32Array(count),
    blue: new Float32Array(count),
    red: new Float32Array(count),
  };
  for (let pixel = 0; pixel < count; pixel++) {
    const red = picture.data[pixel * 3]!;
    const blue = picture.data[pixel * 3 + 2]!;
    const luma = 0.299 * red + 0.587 * picture.data[pixel * 3 + 1]! + 0.114 * blue;
    chroma.luma[pixel] = luma;
    chroma.blue[pixel] = 0.564 * (blue - luma);
    chroma.red[pixel] = 0.713 * (red - luma);
  }
  return chroma;
}

function magnitudesOf({ blue, red }: Chroma): Float32Array {
  const magnitudes = new Float32Array(blue.length);
  for (let pixel = 0; pixel < blue.length; pixel++) {
    magnitudes[pixel] = Math.sqrt(blue[pixel]! ** 2 + red[pixel]! ** 2);
  }
  return magnitudes;
}

/**
 * The mean chroma of the pixels of each luma: how strong it is over the picture, how far each pixel strays from it, and
 * how far all lumas share one hue (1: all of them).
 */
function toneOf(
  chroma: Chroma,
  luma: { darkest: number; range: number },
): { strength: number; strays: Float32Array; coherence: number } {
  const bins = Array.from({ length: lumaBins }, () => ({ blue: 0, red: 0, count: 0 }));
  const binOf = (level: number) => {
    const bin = Math.floor(((level - luma.darkest) / luma.range) * lumaBins);
    return bins[Math.min(lumaBins - 1, Math.max(0, bin))]!;
  };
  for (let pixel = 0; pixel < chroma.luma.length; pixel++) {
    const bin = binOf(chroma.luma[pixel]!);
    bin.blue += chroma.blue[pixel]!;
    bin.red += chroma.red[pixel]!;
    bin.count++;
  }
  const strays = new Float32Array(chroma.luma.length);
  for (let pixel = 0; pixel < strays.length; pixel++) {
    const bin = binOf(chroma.luma[pixel]!);
    const blue = chroma.blue[pixel]! - bin.blue / bin.count;
    const red = chroma.red[pixel]! - bin.red / bin.count;
    strays[pixel] = Math.sqrt(blue ** 2 + red ** 2);
  }
  const total = bins.reduce((sum, bin) => sum + Math.hypot(bin.blue, bin.red), 0);
  const blue = bins.reduce((sum, bin) => sum + bin.blue, 0);
  const red = bins.reduce((sum, bin) => sum + bin.red, 0);
  return {
    strength: total / chroma.luma.length,
    strays,
    coherence: total === 0 ? 1 : Math.hypot(blue, red) / total,
  };
}
