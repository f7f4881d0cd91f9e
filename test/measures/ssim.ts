import { invariant } from "#shared/domain/fault.ts";
import { gaussianBlur } from "#agent/image/gaussian-blur.ts";
import { channelOf, demandAlike, lumaOf, withoutBorder, type MemoryPicture } from "./memory-picture.ts";
import type { MeasureOptions } from "./psnr.ts";

const windowSigma = 1.5;
/** Of the 11 × 11 window: where it does not lie inside, nothing is measured. */
const windowRadius = 5;
const c1 = (0.01 * 255) ** 2;
const c2 = (0.03 * 255) ** 2;

/** One channel, levels 0..255. */
export interface Plane {
  data: Float32Array;
  width: number;
  height: number;
}

/**
 * Structural similarity, 1 for equal pictures (Z. Wang et al., "Image quality assessment: from error visibility to
 * structural similarity", IEEE TIP 13:4, 2004): Gaussian window of 11 × 11 with σ 1.5, K1 = 0.01, K2 = 0.03, L = 255,
 * weighted moments (not the sample's), the mean over all windows that lie inside. At least 11 pixels a side.
 *
 * Over luma by default, as the super-resolution papers do; with `over: "rgb"` the mean of the three channels.
 */
export function ssim(a: MemoryPicture, b: MemoryPicture, options: MeasureOptions = {}): number {
  const pairs = planePairs(a, b, options);
  return pairs.reduce((sum, [first, second]) => sum + similarity(first, second).whole, 0) / pairs.length;
}

/** The planes to compare, one for luma and three for colours. */
export function planePairs(
  a: MemoryPicture,
  b: MemoryPicture,
  { over = "y", borderPixels = 0 }: MeasureOptions,
): [Plane, Plane][] {
  demandAlike(a, b);
  const [first, second] = [withoutBorder(a, borderPixels), withoutBorder(b, borderPixels)];
  const { width, height } = first;
  const plane = (data: Float32Array): Plane => ({ data, width, height });
  if (over === "y") return [[plane(lumaOf(first)), plane(lumaOf(second))]];
  return Array.from({ length: a.channels }, (_, channel) => [
    plane(channelOf(first, channel)),
    plane(channelOf(second, channel)),
  ]);
}

/**
 * The mean similarity of two planes: the whole index, and the part of it that compares contrast and structure alone,
 * which MS-SSIM takes of all scales but the last.
 */
export function similarity(a: Plane, b: Plane): { whole: number; structure: number } {
  const { width, height } = a;
  invariant(Math.min(width, height) > 2 * windowRadius, "the window of 11 pixels fits");
  const { data } = gaussianBlur(moments(a.data, b.data, { width, height }), windowSigma);
  let whole = 0;
  let structure = 0;
  for (let y = windowRadius; y < height - windowRadius; y += 1) {
    for (let x = windowRadius; x < width - windowRadius; x += 1) {
      const at = (y * width + x) * 5;
      const meanA = data[at]!;
      const meanB = data[at + 1]!;
      const varianceA = data[at + 2]! - meanA * meanA;
      const varianceB = data[at + 3]! - meanB * meanB;
      const covariance = data[at + 4]! - meanA * meanB;
      const ofStructure = (2 * covariance + c2) / (varianceA + varianceB + c2);
      // The moments are those of the levels minus the middle one.
      const [levelA, levelB] = [meanA + middle, meanB + middle];
      structure += ofStructure;
      whole += (ofStructure * (2 * levelA * levelB + c1)) / (levelA * levelA + levelB * levelB + c1);
    }
  }
  const count = (width - 2 * windowRadius) * (height - 2 * windowRadius);
  return { whole: whole / count, structure: structure / count };
}

/** Taken off all levels, so that floats keep small variances beside the squares of bright levels. */
const middle = 127.5;

/** The five channels whose local means are the moments: a, b, a², b², ab. */
function moments(a: Float32Array, b: Float32Array, size: { width: number; height: number }) {
  const data = new Float32Array(a.length * 5);
  for (let i = 0, at = 0; i < a.length; i += 1, at += 5) {
    const levelA = a[i]! - middle;
    const levelB = b[i]! - middle;
    data[at] = levelA;
    data[at + 1] = levelB;
    data[at + 2] = levelA * levelA;
    data[at + 3] = levelB * levelB;
    data[at + 4] = levelA * levelB;
  }
  return { data, ...size, channels: 5 };
}
