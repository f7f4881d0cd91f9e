import { invariant } from "#shared/domain/fault.ts";
import type { FloatPicture } from "./resample.ts";

/** Octaves that count as detail: what is coarser than about 2⁵ pixels is colour. */
const levels = 5;

/**
 * Gives a picture the colours of another one of the same motif and size: the detail of the content over the lowest band
 * of the reference, as StableSR corrects the colours of generated pictures (J. Wang et al., "Exploiting diffusion prior
 * for real-world image super-resolution", IJCV 2024). The bands are those of the à-trous transform (M. Holschneider et
 * al., 1989): five passes of the binomial 1 2 1 with holes of 1, 2, 4, 8 and 16 pixels, edges repeated. Because it is
 * linear, content − low(content) + low(reference) is content + low(reference − content): one transform, not two.
 *
 * Samples of any scale, which is kept; they are not clipped. Holds two more pictures in memory.
 */
export function transferWaveletColour(content: FloatPicture, reference: FloatPicture): FloatPicture {
  const { data, width, height, channels } = content;
  invariant(
    reference.width === width && reference.height === height && reference.channels === channels,
    "the reference has the size and the channels of the content",
  );
  const low = new Float32Array(data.length);
  const middle = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 1) low[i] = reference.data[i]! - data[i]!;
  const row = width * channels;
  for (let level = 0; level < levels; level += 1) {
    const hole = 2 ** level;
    for (let from = 0; from < low.length; from += row) {
      smoothAlong(low, middle, { from, row, channels, reach: hole * channels });
    }
    for (let y = 0; y < height; y += 1) smoothAcross(middle, low, { y, row, height, hole });
  }
  for (let i = 0; i < data.length; i += 1) low[i]! += data[i]!;
  return { ...content, data: low };
}

/** One row, smoothed along itself. */
function smoothAlong(
  data: Float32Array,
  into: Float32Array,
  { from, row, channels, reach }: { from: number; row: number; channels: number; reach: number },
): void {
  for (let x = 0; x < row; x += 1) {
    const left = x < reach ? x % channels : x - reach;
    const right = x + reach < row ? x + reach : row - channels + (x % channels);
    into[from + x] = 0.5 * data[from + x]! + 0.25 * (data[from + left]! + data[from + right]!);
  }
}

/** One row, smoothed with the rows above and below it. */
function smoothAcross(
  data: Float32Array,
  into: Float32Array,
  { y, row, height, hole }: { y: number; row: number; height: number; hole: number },
): void {
  const above = Math.max(0, y - hole) * row;
  const below = Math.min(height - 1, y + hole) * row;
  const at = y * row;
  for (let x = 0; x < row; x += 1) {
    into[at + x] = 0.5 * data[at + x]! + 0.25 * (data[above + x]! + data[below + x]!);
  }
}
