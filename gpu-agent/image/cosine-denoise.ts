import { shrinkBlocks } from "./overlapped-blocks.ts";

/** Noise is thrown away up to this many of its deviations. */
const THRESHOLD = 2.7;

/**
 * Removes grain of a known level without a trained model: coefficients that noise of this strength explains are set to
 * 0 in overlapping blocks of three opponent planes (G. Yu and G. Sapiro, "DCT image denoising", IPOL 1, 2011).
 * @param planes red, green and blue of `width` × `height` (at least 8 × 8), 0..1.
 * @param sigma standard deviation of the grain in one channel, 0..1; 0 changes nothing but rounding.
 * @returns three new planes.
 */
export function denoiseCosine(
  planes: Float32Array,
  { width, height, sigma }: { width: number; height: number; sigma: number },
): Float32Array {
  const count = width * height;
  const opponents = toOpponents(planes);
  const limits = new Float32Array(64).fill(THRESHOLD * sigma);
  for (let channel = 0; channel < 3; channel += 1) {
    const plane = opponents.subarray(channel * count, (channel + 1) * count);
    plane.set(shrinkBlocks(plane, { width, height, limits }));
  }
  return fromOpponents(opponents);
}

const R2 = Math.SQRT1_2;
const R3 = 1 / Math.sqrt(3);
const R6 = 1 / Math.sqrt(6);

/** The orthonormal DCT of three values: noise that is equal and apart in the channels stays so. */
function toOpponents(planes: Float32Array): Float32Array {
  const count = planes.length / 3;
  const out = new Float32Array(planes.length);
  for (let i = 0; i < count; i += 1) {
    const red = planes[i]!;
    const green = planes[count + i]!;
    const blue = planes[2 * count + i]!;
    out[i] = R3 * (red + green + blue);
    out[count + i] = R2 * (red - blue);
    out[2 * count + i] = R6 * (red - 2 * green + blue);
  }
  return out;
}

/** In place. */
function fromOpponents(planes: Float32Array): Float32Array {
  const count = planes.length / 3;
  for (let i = 0; i < count; i += 1) {
    const light = R3 * planes[i]!;
    const across = R2 * planes[count + i]!;
    const green = R6 * planes[2 * count + i]!;
    planes[i] = light + across + green;
    planes[count + i] = light - 2 * green;
    planes[2 * count + i] = light - across + green;
  }
  return planes;
}
