import { invariant } from "#shared/domain/fault.ts";

/** What connected pixels look like together. */
export interface Component {
  /** Pixels. */
  readonly area: number;
  /** Along the longest direction: of the rectangle that spreads the same way. */
  readonly length: number;
}

/**
 * Finds the connected areas (eight neighbours) of the pixels that are not 0, in the order of their first pixels. The
 * list of pixels handed over is overwritten by the next.
 */
export function describeComponents(
  mask: Uint8Array,
  { width, height }: { width: number; height: number },
  visit: (component: Component, pixels: Int32Array) => void,
): void {
  invariant(mask.length === width * height, "the mask has the picture's size");
  const open = mask.slice();
  const list = new Int32Array(mask.length);
  for (let first = 0; first < open.length; first += 1) {
    if (open[first] === 0) continue;
    const area = gather(open, list, { first, width, height });
    const pixels = list.subarray(0, area);
    visit({ area, length: lengthOf(pixels, width) }, pixels);
  }
}

/** Lists the pixels connected with `first`, which are open no more, and answers how many they are. */
function gather(
  open: Uint8Array,
  list: Int32Array,
  { first, width, height }: { first: number; width: number; height: number },
): number {
  let count = 1;
  list[0] = first;
  open[first] = 0;
  for (let next = 0; next < count; next += 1) {
    const x = list[next]! % width;
    const y = (list[next]! - x) / width;
    for (let j = Math.max(0, y - 1); j <= Math.min(height - 1, y + 1); j += 1) {
      for (
        let at = j * width + Math.max(0, x - 1), end = j * width + Math.min(width - 1, x + 1);
        at <= end;
        at += 1
      ) {
        if (open[at] === 0) continue;
        open[at] = 0;
        list[count] = at;
        count += 1;
      }
    }
  }
  return count;
}

/** A rectangle's variance along a side is a twelfth of that side squared. */
function lengthOf(pixels: Int32Array, width: number): number {
  const count = pixels.length;
  let sumX = 0;
  let sumY = 0;
  for (let i = 0; i < count; i += 1) {
    const x = pixels[i]! % width;
    sumX += x;
    sumY += (pixels[i]! - x) / width;
  }
  let xx = 1 / 12;
  let yy = 1 / 12;
  let xy = 0;
  for (let i = 0; i < count; i += 1) {
    const x = pixels[i]! % width;
    const dx = x - sumX / count;
    const dy = (pixels[i]! - x) / width - sumY / count;
    xx += (dx * dx) / count;
    yy += (dy * dy) / count;
    xy += (dx * dy) / count;
  }
  return Math.sqrt(6 * (xx + yy + Math.hypot(xx - yy, 2 * xy)));
}
