import { invariant } from "#shared/domain/fault.ts";

/** A whole picture in memory: interleaved, gray or RGB, 8 or 16 bits by the type of `data`. For tests and benchmarks. */
export interface MemoryPicture {
  data: Uint8Array | Uint16Array;
  width: number;
  height: number;
  channels: 1 | 3;
}

/** What PSNR is taken over. */
export interface PsnrOptions {
  /** All channels alike, or luma alone: Y of BT.601 in 16..235, as the super-resolution papers do. RGB by default. */
  over?: "rgb" | "y";
  /** Pixels left out at each edge (the papers leave out as many as the scale); 0 by default. */
  borderPixels?: number;
}

/**
 * Peak signal-to-noise ratio in dB, peak 255 (16-bit samples are brought to 0..255, not rounded). Infinite for equal
 * pictures. With `over: "y"` it is the papers' figure: `rgb2ycbcr` of MATLAB, not rounded, peak 255 all the same.
 */
export function psnr(
  a: MemoryPicture,
  b: MemoryPicture,
  { over = "rgb", borderPixels = 0 }: PsnrOptions = {},
): number {
  invariant(
    a.width === b.width && a.height === b.height && a.channels === b.channels,
    "pictures have one size",
  );
  const { width, height } = a;
  invariant(2 * borderPixels < Math.min(width, height), "the border leaves pixels");
  const read = over === "y" ? readLuma : readSample;
  const perPixel = over === "y" ? 1 : a.channels;
  let squares = 0;
  for (let y = borderPixels; y < height - borderPixels; y += 1) {
    const from = (y * width + borderPixels) * perPixel;
    const to = ((y + 1) * width - borderPixels) * perPixel;
    for (let i = from; i < to; i += 1) squares += (read(a, i) - read(b, i)) ** 2;
  }
  const count = (width - 2 * borderPixels) * (height - 2 * borderPixels) * perPixel;
  return squares === 0 ? Infinity : 10 * Math.log10(255 ** 2 / (squares / count));
}

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
      if (x > 0) addDifference(across[x] === 1 ? border : elsewhere, picture, i, i - 1);
      if (y > 0) addDifference(down[y] === 1 ? border : elsewhere, picture, i, i - width);
    }
  }
  if (border.count === 0 || elsewhere.count === 0) return 1;
  return (border.sum / border.count + visibleLevel) / (elsewhere.sum / elsewhere.count + visibleLevel);
}

/** A quarter of an 8-bit level, squared. */
const visibleLevel = 0.25 ** 2;

/** Marks the positions whose gradient to the one before lies within `reach` of a line. */
function nearLines(lines: readonly number[], length: number, reach: number): Uint8Array {
  const marks = new Uint8Array(length);
  for (const line of lines) marks.fill(1, Math.max(0, line - reach), Math.min(length, line + reach + 1));
  return marks;
}

/** Adds the squared difference of two pixels, channel by channel. */
function addDifference(
  into: { sum: number; count: number },
  picture: MemoryPicture,
  a: number,
  b: number,
): void {
  for (let channel = 0; channel < picture.channels; channel += 1) {
    into.sum +=
      (readSample(picture, a * picture.channels + channel) -
        readSample(picture, b * picture.channels + channel)) **
      2;
    into.count += 1;
  }
}

/** A sample in 0..255. */
function readSample({ data }: MemoryPicture, index: number): number {
  return data.BYTES_PER_ELEMENT === 1 ? data[index]! : data[index]! / 257;
}

/** Y of BT.601 in 16..235. */
function readLuma(picture: MemoryPicture, pixel: number): number {
  const step = picture.channels === 1 ? 0 : 1;
  const at = pixel * picture.channels;
  const red = readSample(picture, at);
  const green = readSample(picture, at + step);
  const blue = readSample(picture, at + 2 * step);
  return 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255;
}
