import { invariant } from "#shared/domain/fault.ts";
import { mirror, type FloatPicture } from "./resample.ts";

/**
 * The mean over a square of 2r + 1 pixels a side around every pixel, by running sums: the time does not depend on the
 * radius (M. J. McDonnell, "Box-filtering techniques", CGIP 17, 1981). Edges are mirrored with the edge pixel repeated.
 * Finite samples of any scale, which is kept. Three in a row come close to a Gaussian of σ = √(r (r + 1)).
 *
 * @param radiusPixels a whole number; 0 copies.
 */
export function boxBlur(picture: FloatPicture, radiusPixels: number): FloatPicture {
  invariant(Number.isInteger(radiusPixels) && radiusPixels >= 0, `a box of radius ${radiusPixels}`);
  const { data, width, height, channels } = picture;
  const across = mirrored(width, radiusPixels);
  const middle = new Float32Array(data.length);
  for (let y = 0; y < height; y += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const from = y * width * channels + channel;
      averageAlong(data, middle, { from, step: channels, places: across, radius: radiusPixels });
    }
  }
  const blurred = new Float32Array(data.length);
  averageRows(middle, blurred, { row: width * channels, places: mirrored(height, radiusPixels) });
  return { ...picture, data: blurred };
}

/** The places −r … length + r of a line, mirrored into it. */
function mirrored(length: number, radius: number): Int32Array {
  return Int32Array.from({ length: length + 2 * radius + 1 }, (_, i) => mirror(i - radius, length));
}

/** One channel of one row: samples `step` apart. */
function averageAlong(
  data: Float32Array,
  into: Float32Array,
  { from, step, places, radius }: { from: number; step: number; places: Int32Array; radius: number },
): void {
  const window = 2 * radius + 1;
  const share = 1 / window;
  let sum = 0;
  for (let i = 0; i < window; i += 1) sum += data[from + places[i]! * step]!;
  const count = places.length - window;
  for (let i = 0, at = from; i < count; i += 1, at += step) {
    into[at] = sum * share;
    sum += data[from + places[i + window]! * step]! - data[from + places[i]! * step]!;
  }
}

/** All columns at once, row by row, since memory is read fastest that way. */
function averageRows(
  data: Float32Array,
  into: Float32Array,
  { row, places }: { row: number; places: Int32Array },
): void {
  const height = data.length / row;
  const window = places.length - height;
  const share = 1 / window;
  const sums = new Float64Array(row);
  for (let i = 0; i < window; i += 1) {
    const from = places[i]! * row;
    for (let x = 0; x < row; x += 1) sums[x]! += data[from + x]!;
  }
  for (let y = 0; y < height; y += 1) {
    const enters = places[y + window]! * row;
    const leaves = places[y]! * row;
    const to = y * row;
    for (let x = 0; x < row; x += 1) {
      into[to + x] = sums[x]! * share;
      sums[x]! += data[enters + x]! - data[leaves + x]!;
    }
  }
}
