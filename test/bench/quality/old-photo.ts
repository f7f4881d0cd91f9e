import { createHash } from "node:crypto";
import sharp from "sharp";
import { gaussianBlur } from "#agent/image/gaussian-blur.ts";
import { bicubic, resize } from "#agent/image/resample.ts";
import { seededRandom } from "../../gpu-agent/image/picture-fixture.ts";
import { asColour, levelsOf, type MemoryPicture } from "../../measures/memory-picture.ts";
import { addScratch, addSpeck, addStain, type Print } from "./damage.ts";

/** How badly a print has aged. Lengths are pixels, levels 0..1. */
export interface Severity {
  /** Of the lens, at the truth's size. */
  readonly blurSigmaPixels: number;
  /** Standard deviation of the grain, on the print. */
  readonly grain: number;
  readonly scratches: number;
  readonly specks: number;
  readonly stains: number;
  /** 1: as faded as a print that hung in the light (below); 1.8 leaves a contrast of .59. */
  readonly fading: number;
  /** Scanned and saved, and saved once more. */
  readonly jpegQualities: readonly [number, number];
}

export const SEVERITIES = {
  light: {
    blurSigmaPixels: 0.5,
    grain: 4 / 255,
    scratches: 2,
    specks: 4,
    stains: 0,
    fading: 0.6,
    jpegQualities: [92, 85],
  },
  medium: {
    blurSigmaPixels: 0.8,
    grain: 10 / 255,
    scratches: 6,
    specks: 12,
    stains: 1,
    fading: 1.2,
    jpegQualities: [85, 75],
  },
  heavy: {
    blurSigmaPixels: 1.2,
    grain: 20 / 255,
    scratches: 12,
    specks: 24,
    stains: 3,
    fading: 1.8,
    jpegQualities: [70, 55],
  },
} as const satisfies Record<string, Severity>;
export type SeverityName = keyof typeof SEVERITIES;

/** Enlargement from the old photograph to its truth. */
export const REDUCTION = 2;

/** Where black and white of each channel lie on a print that hung in the light: yellowed, its contrast down to .77. */
const fadedBlack = [0.15, 0.12, 0.09] as const;
const fadedWhite = [0.94, 0.9, 0.83] as const;
/** No two prints fade alike: each end strays by up to this. */
const fadingStray = 0.02;
/** Of the grain's deviation: what all channels share, and what each has of its own; the squares sum to 1. */
const grainShared = 0.9;
const grainOwn = Math.sqrt(1 - grainShared ** 2);

/** Levels of red, green, blue. */
interface FadedEnds {
  readonly black: readonly number[];
  readonly white: readonly number[];
}

/** A photograph that was made old. */
export interface OldPhoto {
  /** The damaged print at half the truth's size, before any JPEG; the same bytes for the same seed, everywhere. */
  readonly scan: MemoryPicture;
  /** Of the scan's size: where scratches, dust and stains lie (damage.ts). */
  readonly mask: Uint8Array;
  /** To which levels black and white of each channel have moved, 0..1. */
  readonly ends: FadedEnds;
  /** What a user would upload; the same bytes for one version of the encoder. */
  readonly upload: Buffer<ArrayBuffer>;
}

/**
 * Ages a photograph: blur → reduction ×2 (the antialiased bicubic of the super-resolution papers) → grain → scratches,
 * dust and stains → fading with a cast → JPEG twice. All in coded sRGB levels.
 *
 * @param truth RGB or gray, even sides.
 * @param of.seed and `of.name` choose the damage: every picture has its own.
 */
export async function makeOld(
  truth: MemoryPicture,
  of: { seed: number; name: string; severity: SeverityName },
): Promise<OldPhoto> {
  const severity: Severity = SEVERITIES[of.severity];
  const digest = createHash("sha256").update(`${of.seed}/${of.name}/${of.severity}`).digest();
  const random = seededRandom(digest.readUInt32LE(0));
  const print = reducedPrint(truth, severity.blurSigmaPixels);
  addGrain(print.data, severity.grain, random);
  // Stains first: what scratches the print later scratches through them.
  for (let count = 0; count < severity.stains; count += 1) addStain(print, random);
  for (let count = 0; count < severity.scratches; count += 1) addScratch(print, random);
  for (let count = 0; count < severity.specks; count += 1) addSpeck(print, random);
  const ends = fadedEnds(severity.fading, random);
  fade(print.data, ends);
  const { width, height, mask } = print;
  const scan: MemoryPicture = { data: roundLevels(print.data), width, height, channels: 3 };
  return { scan, mask, ends, upload: await savedTwice(scan, severity.jpegQualities) };
}

function reducedPrint(truth: MemoryPicture, blurSigmaPixels: number): Print {
  const colour = asColour(truth);
  const whole = { data: levelsOf(colour), width: colour.width, height: colour.height, channels: 3 };
  const size = { width: truth.width / REDUCTION, height: truth.height / REDUCTION };
  const print = resize(gaussianBlur(whole, blurSigmaPixels), size, bicubic);
  for (let i = 0; i < print.data.length; i += 1) print.data[i]! /= 255;
  return { ...print, mask: new Uint8Array(size.width * size.height) };
}

/** Silver and dye clouds darken all layers together, with a little of their own. */
function addGrain(data: Float32Array, sigma: number, random: () => number): void {
  for (let at = 0; at < data.length; at += 3) {
    const shared = grainShared * normal(random);
    for (let channel = 0; channel < 3; channel += 1) {
      data[at + channel]! += sigma * (shared + grainOwn * normal(random));
    }
  }
}

/** Standard normal numbers (Box and Muller 1958). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function fadedEnds(fading: number, random: () => number): FadedEnds {
  const stray = (): number => fadingStray * (2 * random() - 1);
  return {
    black: fadedBlack.map((level) => fading * (level + stray())),
    white: fadedWhite.map((level) => 1 - fading * (1 - level + stray())),
  };
}

function fade(data: Float32Array, { black, white }: FadedEnds): void {
  for (let channel = 0; channel < 3; channel += 1) {
    const low = black[channel]!;
    const range = white[channel]! - low;
    for (let at = channel; at < data.length; at += 3) data[at] = low + range * data[at]!;
  }
}

function roundLevels(data: Float32Array): Uint8Array<ArrayBuffer> {
  const levels = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 1) levels[i] = Math.min(1, Math.max(0, data[i]!)) * 255 + 0.5;
  return levels;
}

async function savedTwice(
  scan: MemoryPicture,
  [first, second]: readonly [number, number],
): Promise<Buffer<ArrayBuffer>> {
  const { data, width, height, channels } = scan;
  const once = await sharp(data, { raw: { width, height, channels } }).jpeg({ quality: first }).toBuffer();
  return Buffer.from(await sharp(once).jpeg({ quality: second }).toBuffer());
}
