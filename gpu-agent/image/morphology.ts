import { invariant } from "#shared/domain/fault.ts";

/** A mask of one plane, row after row: 0 is clear, 255 is marked, and levels in between are as good. */
export interface Mask {
  data: Uint8Array;
  width: number;
  height: number;
}

/**
 * Grows what is marked: the highest level within a square of 2r + 1 pixels a side. The time does not depend on the
 * radius (M. van Herk, Pattern Recognition Letters 13, 1992; J. Gil and M. Werman, IEEE TPAMI 15, 1993). Nothing is
 * marked outside of the mask.
 *
 * @param radiusPixels a whole number; 0 copies.
 */
export function dilateMask({ data, width, height }: Mask, radiusPixels: number): Mask {
  invariant(Number.isInteger(radiusPixels) && radiusPixels >= 0, `a square of radius ${radiusPixels}`);
  const rows = { lines: height, lineStep: width, count: width, step: 1 };
  const columns = { lines: width, lineStep: 1, count: height, step: width };
  return { data: highest(highest(data, rows, radiusPixels), columns, radiusPixels), width, height };
}

/** Shrinks what is marked: the lowest level within the square. The outside of the mask takes nothing away. */
export function erodeMask(mask: Mask, radiusPixels: number): Mask {
  return inverted(dilateMask(inverted(mask), radiusPixels));
}

/** Takes away what is marked but narrower than the square, and keeps the rest: erosion, then dilation. Idempotent. */
export function openMask(mask: Mask, radiusPixels: number): Mask {
  return dilateMask(erodeMask(mask, radiusPixels), radiusPixels);
}

/** Fills gaps and holes narrower than the square, and keeps the rest: dilation, then erosion. Idempotent. */
export function closeMask(mask: Mask, radiusPixels: number): Mask {
  return erodeMask(dilateMask(mask, radiusPixels), radiusPixels);
}

function inverted({ data, width, height }: Mask): Mask {
  const levels = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 1) levels[i] = 255 - data[i]!;
  return { data: levels, width, height };
}

/** Lines of `count` levels `step` apart, which begin `lineStep` apart. */
interface Lines {
  lines: number;
  lineStep: number;
  count: number;
  step: number;
}

/**
 * The highest of 2r + 1 levels along every line. The line is cut into blocks as long as the window, which then covers
 * the end of one block and the start of the next: two running maxima answer it.
 */
function highest(data: Uint8Array, { lines, lineStep, count, step }: Lines, radius: number): Uint8Array {
  const window = 2 * radius + 1;
  const length = Math.ceil((count + 2 * radius) / window) * window;
  const fromStart = new Uint8Array(length);
  const toEnd = new Uint8Array(length);
  const into = new Uint8Array(data.length);
  for (let line = 0; line < lines; line += 1) {
    const first = line * lineStep;
    for (let i = 0, at = first; i < count; i += 1, at += step) toEnd[radius + i] = data[at]!;
    toEnd.fill(0, radius + count);
    toEnd.fill(0, 0, radius);
    for (let start = 0; start < length; start += window) {
      let most = 0;
      for (let i = start; i < start + window; i += 1) {
        if (toEnd[i]! > most) most = toEnd[i]!;
        fromStart[i] = most;
      }
      most = 0;
      for (let i = start + window - 1; i >= start; i -= 1) {
        if (toEnd[i]! > most) most = toEnd[i]!;
        toEnd[i] = most;
      }
    }
    for (let i = 0, at = first; i < count; i += 1, at += step) {
      const ahead = fromStart[i + 2 * radius]!;
      into[at] = ahead > toEnd[i]! ? ahead : toEnd[i]!;
    }
  }
  return into;
}
