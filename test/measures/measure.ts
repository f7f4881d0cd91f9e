import { deltaE, lowDeltaE } from "./delta-e.ts";
import type { MemoryPicture } from "./memory-picture.ts";
import { msSsim, msSsimSideMin } from "./ms-ssim.ts";
import { psnr } from "./psnr.ts";
import { ssim } from "./ssim.ts";

/** How near a picture is to the truth. */
export interface Measures {
  /** dB over RGB; Infinity for equal pictures. */
  psnr: number;
  /** dB over luma. */
  psnrY: number;
  /** Over luma, 1 for equal pictures. */
  ssim: number;
  /** Over luma; absent where a side is too short for five scales. */
  msSsim?: number;
  /** Mean CIEDE2000, pixel by pixel and after a blur of σ 8 pixels. */
  deltaE: number;
  lowDeltaE: number;
}

/**
 * All measures against the truth at once: two pictures of one size and one number of channels, both in sRGB, at least
 * 11 pixels a side without the border. Learned distances (LPIPS, DISTS) are not among them: no ONNX file of theirs under
 * a permissive licence was to be had.
 */
export function measure(
  picture: MemoryPicture,
  truth: MemoryPicture,
  options: { borderPixels?: number } = {},
): Measures {
  const side = Math.min(truth.width, truth.height) - 2 * (options.borderPixels ?? 0);
  return {
    psnr: psnr(picture, truth, options),
    psnrY: psnr(picture, truth, { ...options, over: "y" }),
    ssim: ssim(picture, truth, options),
    ...(side < msSsimSideMin ? {} : { msSsim: msSsim(picture, truth, options) }),
    deltaE: deltaE(picture, truth, options),
    lowDeltaE: lowDeltaE(picture, truth, options),
  };
}
