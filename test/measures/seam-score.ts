import { levelsPerUnit, type MemoryPicture } from "./memory-picture.ts";

/** Where seams would show, and how wide. */
export interface SeamOptions {
  /** Columns and rows on which tiles meet, in pixels of the picture: `seamLines` of the plan. */
  xs: readonly number[];
  ys: readonly number[];
  /** Gradients up to this far from a line count as the border; 8 by default. */
  reachPixels?: number;
  /** The same content without tiles, at the same size (one shot, or the enlarged input). */
  reference?: MemoryPicture;
}

/**
 * The seam score: gradient energy at tile borders over gradient energy elsewhere. 1 says that borders look like the
 * rest; above 1.05 they show.
 *
 * Gradient energy is the mean squared difference (samples in 0..255) of horizontal neighbours near the lines of `xs`
 * and of vertical neighbours near the lines of `ys`, against the same differences everywhere else, each with a
 * quarter level squared added, below which nothing is visible: it makes a flat picture score 1. Content counts as
 * well: an edge of the motif along a border raises the score. With a `reference` its own score is divided out.
 */
export function seamScore(picture: MemoryPicture, options: SeamOptions): number {
  const { reference } = options;
  const score = borderRatio(picture, options);
  return reference === undefined ? score : score / borderRatio(reference, options);
}

function borderRatio(picture: MemoryPicture, { xs, ys, reachPixels = 8 }: SeamOptions): number {
  const { width, height } = picture;
  const across = nearLines(xs, width, reachPixels);
  const down = nearLines(ys, height, reachPixels);
  const border = { sum: 0, count: 0 };
  const elsewhere = { sum: 0, count: 0 };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const i = y * width + x;
      if (x > 0) addDifference(across[x] === 1 ? border : elsewhere, picture, { one: i, other: i - 1 });
      if (y > 0) addDifference(down[y] === 1 ? border : elsewhere, picture, { one: i, other: i - width });
    }
  }
  if (border.count === 0 || elsewhere.count === 0) return 1;
  // In units of the samples, as the sums are.
  const visible = (visibleLevel / levelsPerUnit(picture)) ** 2;
  return (border.sum / border.count + visible) / (elsewhere.sum / elsewhere.count + visible);
}

/** A quarter of an 8-bit level. */
const visibleLevel = 0.25;

/** Marks the positions whose gradient to the one before lies within `reach` of a line. */
function nearLines(lines: readonly number[], length: number, reach: number): Uint8Array {
  const marks = new Uint8Array(length);
  for (const line of lines) marks.fill(1, Math.max(0, line - reach), Math.min(length, line + reach + 1));
  return marks;
}

/** Adds the squared difference of two pixels, channel by channel. */
function addDifference(
  into: { sum: number; count: number },
  { data, channels }: MemoryPicture,
  places: { one: number; other: number },
): void {
  for (let channel = 0; channel < channels; channel += 1) {
    into.sum += (data[places.one * channels + channel]! - data[places.other * channels + channel]!) ** 2;
    into.count += 1;
  }
}
