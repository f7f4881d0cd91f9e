import { gaussianBlur } from "#agent/image/gaussian-blur.ts";
import { linearToLab } from "#agent/image/lab.ts";
import { srgbToLinear } from "#agent/image/linear-light.ts";
import { asColour, demandAlike, withoutBorder, type MemoryPicture } from "./memory-picture.ts";

/** What a mean colour difference is taken over. */
export interface DeltaEOptions {
  /** Pixels left out at each edge; 0 by default. */
  borderPixels?: number;
}

/** Anything finer than about 50 pixels is detail, not colour. */
const lowSigmaPixels = 8;

/**
 * The mean CIEDE2000 difference of two sRGB pictures, pixel by pixel, in Lab under D65. 1 is about what can just be
 * seen; 0 for equal pictures.
 */
export function deltaE(a: MemoryPicture, b: MemoryPicture, { borderPixels = 0 }: DeltaEOptions = {}): number {
  demandAlike(a, b);
  return meanDifference(linearOf(withoutBorder(a, borderPixels)), linearOf(withoutBorder(b, borderPixels)));
}

/**
 * The mean CIEDE2000 difference after a Gaussian blur of σ 8 pixels in linear light: casts, fading and stains, without
 * grain, sharpness or a picture that is shifted a little.
 */
export function lowDeltaE(
  a: MemoryPicture,
  b: MemoryPicture,
  { borderPixels = 0 }: DeltaEOptions = {},
): number {
  demandAlike(a, b);
  const blurred = (picture: MemoryPicture): Float32Array => {
    const { width, height } = picture;
    return gaussianBlur({ data: linearOf(picture), width, height, channels: 3 }, lowSigmaPixels).data;
  };
  return meanDifference(blurred(withoutBorder(a, borderPixels)), blurred(withoutBorder(b, borderPixels)));
}

/** Linear light, interleaved RGB in 0..1. */
function linearOf(picture: MemoryPicture): Float32Array {
  const { data } = asColour(picture);
  const white = data instanceof Uint8Array ? 255 : 65_535;
  const table = Float32Array.from({ length: white + 1 }, (_, sample) => srgbToLinear(sample / white));
  const linear = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 1) linear[i] = table[data[i]!]!;
  return linear;
}

/** Of linear RGB; both are overwritten. */
function meanDifference(a: Float32Array, b: Float32Array): number {
  linearToLab(a, a);
  linearToLab(b, b);
  let sum = 0;
  for (let at = 0; at < a.length; at += 3) sum += ciede2000(a, b, at);
  return sum / (a.length / 3);
}

const degree = Math.PI / 180;
const chroma25 = 25 ** 7;

/**
 * The CIEDE2000 difference of two colours, kL = kC = kH = 1, as G. Sharma, W. Wu and E. Dalal write it down ("The
 * CIEDE2000 color-difference formula: implementation notes", Color Research and Application 30:1, 2005).
 *
 * @param at index of L in both; a and b follow.
 */
export function ciede2000(one: ArrayLike<number>, two: ArrayLike<number>, at = 0): number {
  const light1 = one[at]!;
  const light2 = two[at]!;
  const b1 = one[at + 2]!;
  const b2 = two[at + 2]!;
  const meanChromaOld = (length(one[at + 1]!, b1) + length(two[at + 1]!, b2)) / 2;
  const stretch = 1.5 - 0.5 * chromaShare(meanChromaOld);
  const a1 = stretch * one[at + 1]!;
  const a2 = stretch * two[at + 1]!;
  const chroma1 = length(a1, b1);
  const chroma2 = length(a2, b2);

  const isGray = chroma1 * chroma2 === 0;
  const hue1 = hueOf(a1, b1);
  const hue2 = hueOf(a2, b2);
  const apart = hue2 - hue1;
  const turn = Math.abs(apart) <= 180 ? apart : apart > 180 ? apart - 360 : apart + 360;
  const dHue = isGray ? 0 : 2 * Math.sqrt(chroma1 * chroma2) * Math.sin((turn / 2) * degree);
  const meanHue = isGray ? hue1 + hue2 : between(hue1, hue2);

  const meanLight = (light1 + light2) / 2;
  const meanChroma = (chroma1 + chroma2) / 2;
  const offset = (meanLight - 50) ** 2;
  const t =
    1 -
    0.17 * Math.cos((meanHue - 30) * degree) +
    0.24 * Math.cos(2 * meanHue * degree) +
    0.32 * Math.cos((3 * meanHue + 6) * degree) -
    0.2 * Math.cos((4 * meanHue - 63) * degree);
  const lights = (light2 - light1) / (1 + (0.015 * offset) / Math.sqrt(20 + offset));
  const chromas = (chroma2 - chroma1) / (1 + 0.045 * meanChroma);
  const hues = dHue / (1 + 0.015 * meanChroma * t);
  const blueness = ((meanHue - 275) / 25) ** 2;
  const rotation = -2 * chromaShare(meanChroma) * Math.sin(60 * Math.exp(-blueness) * degree);
  return Math.sqrt(lights ** 2 + chromas ** 2 + hues ** 2 + rotation * chromas * hues);
}

/** Quicker than `Math.hypot`, and chroma never overflows. */
function length(a: number, b: number): number {
  return Math.sqrt(a * a + b * b);
}

function chromaShare(chroma: number): number {
  const power = chroma ** 7;
  return Math.sqrt(power / (power + chroma25));
}

/** In degrees, 0..360; 0 for gray. */
function hueOf(a: number, b: number): number {
  const hue = Math.atan2(b, a) / degree;
  return hue < 0 ? hue + 360 : hue;
}

/** The middle of the shorter way from one hue to the other. */
function between(hue1: number, hue2: number): number {
  const sum = hue1 + hue2;
  if (Math.abs(hue1 - hue2) <= 180) return sum / 2;
  return sum < 360 ? (sum + 360) / 2 : (sum - 360) / 2;
}
