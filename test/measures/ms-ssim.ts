import { invariant } from "#shared/domain/fault.ts";
import type { MemoryPicture } from "./memory-picture.ts";
import type { MeasureOptions } from "./psnr.ts";
import { planePairs, similarity, type Plane } from "./ssim.ts";

/** How much each scale counts, finest first: the published weights, which sum to 1. */
const weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/** The shortest side whose coarsest scale still holds the window of 11 pixels. */
export const msSsimSideMin = 11 * 2 ** (weights.length - 1);

/**
 * Multi-scale structural similarity, 1 for equal pictures (Z. Wang, E. Simoncelli and A. Bovik, "Multi-scale structural
 * similarity for image quality assessment", Asilomar 2003): contrast and structure at five scales, luminance at the
 * coarsest, each scale the means of two by two pixels of the one before (an odd row or column counts twice). Parts
 * below 0 count as 0. Over luma by default; with `over: "rgb"` the mean of the three channels.
 */
export function msSsim(a: MemoryPicture, b: MemoryPicture, options: MeasureOptions = {}): number {
  const pairs = planePairs(a, b, options);
  return pairs.reduce((sum, [first, second]) => sum + overScales(first, second), 0) / pairs.length;
}

function overScales(a: Plane, b: Plane): number {
  invariant(Math.min(a.width, a.height) >= msSsimSideMin, `${msSsimSideMin} pixels a side for five scales`);
  let [first, second] = [a, b];
  let product = 1;
  for (const [scale, weight] of weights.entries()) {
    const { whole, structure } = similarity(first, second);
    const isCoarsest = scale === weights.length - 1;
    product *= Math.max(0, isCoarsest ? whole : structure) ** weight;
    if (!isCoarsest) [first, second] = [halved(first), halved(second)];
  }
  return product;
}

function halved({ data, width, height }: Plane): Plane {
  const half = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const means = new Float32Array(half.width * half.height);
  for (let y = 0; y < half.height; y += 1) {
    const above = 2 * y * width;
    const below = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < half.width; x += 1) {
      const right = Math.min(2 * x + 1, width - 1);
      means[y * half.width + x] =
        (data[above + 2 * x]! + data[above + right]! + data[below + 2 * x]! + data[below + right]!) / 4;
    }
  }
  return { data: means, ...half };
}
