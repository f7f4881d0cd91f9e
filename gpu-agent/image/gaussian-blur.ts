import { invariant } from "#shared/domain/fault.ts";
import { resize, type FloatPicture, type Kernel } from "./resample.ts";

/** The cost of a pixel grows with it. */
const sigmaPixelsMax = 64;

/**
 * Blurs with a sampled Gaussian: direct, along the rows first, then across them. Its tails are cut at ⌈3σ⌉ pixels (0.3 %
 * of the weight lies beyond) and its weights sum to 1, so that a flat picture stays what it is; edges are mirrored with
 * the edge pixel repeated. Samples of any scale, which is kept. At σ 1.5 it is the 11 × 11 window of SSIM.
 *
 * @param sigmaPixels standard deviation, above 0 and at most 64. For anything wider a box blur does as well.
 */
export function gaussianBlur(picture: FloatPicture, sigmaPixels: number): FloatPicture {
  invariant(sigmaPixels > 0 && sigmaPixels <= sigmaPixelsMax, `a blur of ${sigmaPixels} pixels`);
  // A blur is a resampling to the same grid.
  return resize(picture, picture, gaussian(sigmaPixels));
}

function gaussian(sigmaPixels: number): Kernel {
  return {
    support: Math.ceil(3 * sigmaPixels) + 0.5,
    weight: (distance) => Math.exp(-0.5 * (distance / sigmaPixels) ** 2),
  };
}
