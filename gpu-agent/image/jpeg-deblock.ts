import { invariant } from "#shared/domain/fault.ts";
import { shrinkBlocks } from "./overlapped-blocks.ts";

/** The luminance table of ITU-T T.81 Annex K.1, row by row. */
const LUMINANCE = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22,
  29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103,
  121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
] as const;

/** What JPEG rounds to 0 lies within half a step of it. */
const SHARE = 0.5;

/**
 * Smooths JPEG's blocks without a trained model: on grids shifted against the file's own, whatever its quantiser would
 * have rounded to nothing is nothing, and the grids are averaged. The re-application of JPEG (A. Nosratinia,
 * "Enhancement of JPEG-compressed images by re-application of JPEG", J. VLSI Signal Processing 27, 2001) without its
 * rounding, which measured a little less. Where the file's blocks begin need not be known.
 * @param luma Y of `width` × `height` (at least 8 × 8), 0..1.
 * @param quality 1–100 on the scale of the IJG library.
 * @returns a new plane.
 */
export function deblockJpeg(
  luma: Float32Array,
  { width, height, quality }: { width: number; height: number; quality: number },
): Float32Array {
  invariant(quality >= 1 && quality <= 100, "the quality is one of the IJG library's");
  // libjpeg's jpeg_quality_scaling.
  const percent = quality < 50 ? 5_000 / quality : 200 - 2 * quality;
  const limits = Float32Array.from(LUMINANCE, (entry) => {
    const step = Math.min(255, Math.max(1, Math.floor((entry * percent + 50) / 100)));
    return (SHARE * step) / 255;
  });
  return shrinkBlocks(luma, { width, height, limits });
}
