import { demandAlike, levelsOf, lumaOf, withoutBorder, type MemoryPicture } from "./memory-picture.ts";

/** What a measure is taken over. */
export interface MeasureOptions {
  /** All channels alike, or luma alone: Y of BT.601 in 16..235, as the super-resolution papers do. */
  over?: "rgb" | "y";
  /** Pixels left out at each edge (the papers leave out as many as the scale); 0 by default. */
  borderPixels?: number;
}

/**
 * Peak signal-to-noise ratio in dB, peak 255 (16-bit samples are brought to 0..255, not rounded). Infinite for equal
 * pictures. Over RGB by default; with `over: "y"` it is the papers' figure, peak 255 all the same.
 */
export function psnr(
  a: MemoryPicture,
  b: MemoryPicture,
  { over = "rgb", borderPixels = 0 }: MeasureOptions = {},
): number {
  demandAlike(a, b);
  const read = over === "y" ? lumaOf : levelsOf;
  const first = read(withoutBorder(a, borderPixels));
  const second = read(withoutBorder(b, borderPixels));
  let squares = 0;
  for (let i = 0; i < first.length; i += 1) squares += (first[i]! - second[i]!) ** 2;
  return squares === 0 ? Infinity : 10 * Math.log10(255 ** 2 / (squares / first.length));
}
