// What joining tiles does to one line of pixels. Functions of their own: closures over these loops would be compiled
// anew for every picture.

/** Weights of the later tile along a fade: a cosine ramp from 0 to 1, symmetric, so that both weights sum to 1. */
export function fadeWeights(count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, k) => 0.5 - 0.5 * Math.cos((Math.PI * (k + 0.5)) / count));
}

/** Where the pixels of a line lie in the three planes. */
export interface PlanePlaces {
  red: number;
  green: number;
  blue: number;
}

/** Three planes to interleaved pixels. */
export function unpackColour(
  data: Float32Array,
  line: Float32Array,
  { red, green, blue }: PlanePlaces,
): void {
  for (let i = 0, at = 0; at < line.length; i += 1, at += 3) {
    line[at] = data[red + i]!;
    line[at + 1] = data[green + i]!;
    line[at + 2] = data[blue + i]!;
  }
}

/** Three planes to their luma (BT.601). */
export function unpackLuma(data: Float32Array, line: Float32Array, { red, green, blue }: PlanePlaces): void {
  for (let i = 0; i < line.length; i += 1) {
    line[i] = 0.299 * data[red + i]! + 0.587 * data[green + i]! + 0.114 * data[blue + i]!;
  }
}

/** Fades from the tile at the left into the beginning of `line`. */
export function fadeAcross(
  left: Float32Array,
  line: Float32Array,
  { weights, channels }: { weights: Float64Array; channels: number },
): void {
  for (let i = 0, at = 0; i < weights.length; i += 1) {
    for (let channel = 0; channel < channels; channel += 1, at += 1) {
      line[at] = left[at]! + weights[i]! * (line[at]! - left[at]!);
    }
  }
}

/** Fades from the tiles above into `line`, with one weight for the whole row. */
export function fadeDown(above: Float32Array, line: Float32Array, weight: number): void {
  for (let i = 0; i < line.length; i += 1) line[i] = above[i]! + weight * (line[i]! - above[i]!);
}

/** {@link unpackColour} and {@link quantise} in one pass. Answers the sum of the values. */
export function quantisePlanes(
  data: Float32Array,
  into: Uint16Array,
  { places, toWord }: { places: PlanePlaces; toWord: number },
): number {
  const { red, green, blue } = places;
  let reds = 0;
  let greens = 0;
  let blues = 0;
  for (let i = 0, at = 0; at < into.length; i += 1, at += 3) {
    const r = data[red + i]! * toWord + 0.5;
    const g = data[green + i]! * toWord + 0.5;
    const b = data[blue + i]! * toWord + 0.5;
    reds += r;
    greens += g;
    blues += b;
    into[at] = r > 0 ? (r < 65_535 ? r : 65_535) : 0;
    into[at + 1] = g > 0 ? (g < 65_535 ? g : 65_535) : 0;
    into[at + 2] = b > 0 ? (b < 65_535 ? b : 65_535) : 0;
  }
  return reds + greens + blues;
}

/** Clips to 0..range and rounds to the nearest of 65,536 levels. Answers the sum of the values. */
export function quantise(line: Float32Array, into: Uint16Array, toWord: number): number {
  let sum = 0;
  for (let i = 0; i < line.length; i += 1) {
    const value = line[i]! * toWord + 0.5;
    sum += value;
    into[i] = value > 0 ? (value < 65_535 ? value : 65_535) : 0;
  }
  return sum;
}
