import type { Pixels } from "./pixel-sample.ts";

/** Grain is measured in squares of this side. */
const blockPixels = 16;
/** Where a channel is clipped its grain is clipped too: such blocks say nothing. */
const levelMin = 0.06;
const levelMax = 0.94;
/** The flattest share of the blocks is measured … */
const flattestShare = 0.15;
const flattestMin = 4;
/** … and this quantile taken: what texture is left among them only ever adds. */
const valueShare = 0.3;
/** Standard deviation of a Gaussian for a mean absolute value of 1, over the mask's gain for white noise. */
const sigmaPerMean = Math.sqrt(Math.PI / 2) / 6;

type Block = { structure: number; sigma: number };

/**
 * Estimates the standard deviation of the grain, 0..1 of full scale: the mean over the channels that are not clipped
 * everywhere, 0 where all are. Immerkær's mask (J. Immerkær, "Fast noise variance estimation", CVIU 64, 1996: the
 * difference of two Laplacians, blind to flat and evenly rising areas) is applied at full resolution and to the means of
 * two by two pixels, since JPEG and scanners leave grain its coarser half only; the two variances add up as the octaves
 * of white noise do. Only the blocks with the flattest coarse structure count, so that texture is not taken for grain.
 */
export function measureNoise(tiles: readonly Pixels[]): number {
  const sigmas = [0, 1, 2].flatMap((channel) => {
    const blocks = tiles.flatMap((tile) => blocksOf(tile, channel)).sort((a, b) => a.structure - b.structure);
    if (blocks.length === 0) return [];
    const flattest = blocks.slice(0, Math.max(flattestMin, Math.ceil(blocks.length * flattestShare)));
    const values = flattest.map((block) => block.sigma).sort((a, b) => a - b);
    return [values[Math.floor(values.length * valueShare)]!];
  });
  if (sigmas.length === 0) return 0;
  return Math.min(1, sigmas.reduce((sum, sigma) => sum + sigma, 0) / sigmas.length);
}

function blocksOf(tile: Pixels, channel: number): Block[] {
  const blocks: Block[] = [];
  const fine = new Float32Array(blockPixels ** 2);
  const middle = new Float32Array(fine.length / 4);
  const coarse = new Float32Array(middle.length / 4);
  for (let top = 0; top + blockPixels <= tile.height; top += blockPixels) {
    for (let left = 0; left + blockPixels <= tile.width; left += blockPixels) {
      for (let y = 0; y < blockPixels; y++) {
        let read = ((top + y) * tile.width + left) * 3 + channel;
        for (let x = 0; x < blockPixels; x++, read += 3) fine[y * blockPixels + x] = tile.data[read]!;
      }
      halve(fine, blockPixels, middle);
      halve(middle, blockPixels / 2, coarse);
      const { level, structure } = spreadOf(coarse);
      if (level < levelMin || level > levelMax) continue;
      // Halving white noise takes three quarters of its variance away: that much lies in the finest octave.
      const variance = 0.75 * sigmaOf(fine, blockPixels) ** 2 + sigmaOf(middle, blockPixels / 2) ** 2;
      blocks.push({ structure, sigma: Math.sqrt(variance) });
    }
  }
  return blocks;
}

/** The mean, and how far the values stray from it: the sum of squares. */
function spreadOf(values: Float32Array): { level: number; structure: number } {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  const level = sum / values.length;
  let structure = 0;
  for (let i = 0; i < values.length; i++) structure += (values[i]! - level) ** 2;
  return { level, structure };
}

/** The means of every two by two values of a square. */
function halve(square: Float32Array, side: number, means: Float32Array): void {
  const half = side / 2;
  for (let y = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      const at = 2 * y * side + 2 * x;
      means[y * half + x] = (square[at]! + square[at + 1]! + square[at + side]! + square[at + side + 1]!) / 4;
    }
  }
}

/** Immerkær's estimate over the inner values of a square. */
function sigmaOf(square: Float32Array, side: number): number {
  let sum = 0;
  for (let y = 1; y < side - 1; y++) {
    for (let at = y * side + 1; at < (y + 1) * side - 1; at++) {
      const above = at - side;
      const below = at + side;
      sum += Math.abs(
        square[above - 1]! -
          2 * square[above]! +
          square[above + 1]! -
          2 * (square[at - 1]! - 2 * square[at]! + square[at + 1]!) +
          square[below - 1]! -
          2 * square[below]! +
          square[below + 1]!,
      );
    }
  }
  return (sum / (side - 2) ** 2) * sigmaPerMean;
}
