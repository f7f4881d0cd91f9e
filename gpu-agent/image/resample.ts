import { invariant } from "#shared/domain/fault.ts";

/** An even, separable interpolation kernel that vanishes beyond `support` samples. */
export interface Kernel {
  support: number;
  weight: (distance: number) => number;
}

/** Keys' cubic convolution with a = −0.5 (Keys 1981, IEEE TASSP 29:6), the "bicubic" of the super-resolution papers. */
export const bicubic: Kernel = {
  support: 2,
  weight(distance: number): number {
    const x = Math.abs(distance);
    if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  },
};

/** The sinc windowed by the first lobe of a three times wider sinc (Duchon 1979, J. Appl. Meteorol. 18). */
export const lanczos3: Kernel = {
  support: 3,
  weight(distance: number): number {
    const x = Math.abs(distance) * Math.PI;
    if (x < 1e-9) return 1;
    return x < 3 * Math.PI ? (3 * Math.sin(x) * Math.sin(x / 3)) / (x * x) : 0;
  },
};

/** The weights of one axis: output sample i is the sum of `weights[i * width + k] * input[firsts[i] + k]`. */
export interface Taps {
  /** Weights per output sample; unused ones are 0. */
  width: number;
  /** Ascending; `firsts[i] + width` never exceeds the input. */
  firsts: Int32Array;
  /** Each output sample's weights sum to 1. */
  weights: Float64Array;
}

/** Interleaved float samples of any scale, row after row. One plane of a planar tensor is a picture of one channel. */
export interface FloatPicture {
  data: Float32Array;
  width: number;
  height: number;
  channels: number;
}

/**
 * The taps that resize `from` samples to `to`: grids aligned by the centres of the outermost pixels' areas, the kernel
 * widened when reducing (antialiasing), edges mirrored with the edge sample repeated: MATLAB's `imresize`, on which
 * the figures of the super-resolution papers rest. Any ratio.
 */
export function resampleTaps(from: number, to: number, kernel: Kernel): Taps {
  invariant(from >= 1 && to >= 1, "sizes are positive");
  const ratio = to / from;
  const stretch = Math.min(1, ratio);
  const radius = kernel.support / stretch;
  const span = Math.ceil(2 * radius);
  const width = Math.min(from, span);
  const firsts = new Int32Array(to);
  const weights = new Float64Array(to * width);
  for (let i = 0; i < to; i += 1) {
    const centre = (i + 0.5) / ratio - 0.5;
    // The samples strictly within the radius: at the radius itself the kernel is 0.
    const low = Math.floor(centre - radius) + 1;
    const high = Math.min(Math.ceil(centre + radius) - 1, low + span - 1);
    const first = Math.max(0, Math.min(low, from - width));
    firsts[i] = first;
    let sum = 0;
    for (let j = low; j <= high; j += 1) sum += kernel.weight((centre - j) * stretch);
    for (let j = low; j <= high; j += 1) {
      weights[i * width + mirror(j, from) - first]! += kernel.weight((centre - j) * stretch) / sum;
    }
  }
  return { width, firsts, weights };
}

/** Resizes a picture held in memory: along the rows first, then across them. */
export function resize(
  picture: FloatPicture,
  size: { width: number; height: number },
  kernel: Kernel,
): FloatPicture {
  const { channels } = picture;
  const across = resampleTaps(picture.width, size.width, kernel);
  const down = resampleTaps(picture.height, size.height, kernel);
  const row = size.width * channels;
  const middle = new Float32Array(row * picture.height);
  for (let y = 0; y < picture.height; y += 1) {
    const from = picture.data.subarray(y * picture.width * channels, (y + 1) * picture.width * channels);
    resampleRow(from, middle.subarray(y * row, (y + 1) * row), { taps: across, channels });
  }
  const data = new Float32Array(row * size.height);
  for (let y = 0; y < size.height; y += 1) {
    const rows: Float32Array[] = [];
    for (let k = 0; k < down.width; k += 1) {
      const at = (down.firsts[y]! + k) * row;
      rows.push(middle.subarray(at, at + row));
    }
    const weights = down.weights.subarray(y * down.width, (y + 1) * down.width);
    combineRows(rows, data.subarray(y * row, (y + 1) * row), weights);
  }
  return { data, width: size.width, height: size.height, channels };
}

/** Resizes one interleaved row of integers or floats; the scale of the samples is kept. */
export function resampleRow(
  from: Float32Array | Uint8Array | Uint16Array,
  into: Float32Array,
  { taps, channels }: { taps: Taps; channels: number },
): void {
  if (channels === 3) resampleColours(from, into, taps);
  else
    for (let channel = 0; channel < channels; channel += 1)
      resampleChannel(from, into, { taps, channels, channel });
}

function resampleChannel(
  from: Float32Array | Uint8Array | Uint16Array,
  into: Float32Array,
  { taps, channels, channel }: { taps: Taps; channels: number; channel: number },
): void {
  const { firsts, weights, width } = taps;
  for (let i = 0, k = 0; i < firsts.length; i += 1) {
    let sum = 0;
    for (let at = firsts[i]! * channels + channel, end = k + width; k < end; k += 1, at += channels) {
      sum += weights[k]! * from[at]!;
    }
    into[i * channels + channel] = sum;
  }
}

/** All three channels on one way through the weights. */
function resampleColours(
  from: Float32Array | Uint8Array | Uint16Array,
  into: Float32Array,
  { firsts, weights, width }: Taps,
): void {
  for (let i = 0, k = 0; i < firsts.length; i += 1) {
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let at = firsts[i]! * 3, end = k + width; k < end; k += 1, at += 3) {
      const weight = weights[k]!;
      red += weight * from[at]!;
      green += weight * from[at + 1]!;
      blue += weight * from[at + 2]!;
    }
    into[i * 3] = red;
    into[i * 3 + 1] = green;
    into[i * 3 + 2] = blue;
  }
}

/** The weighted sum of equally long rows, one weight for each: one output row of the pass across the rows. */
export function combineRows(rows: readonly Float32Array[], into: Float32Array, weights: Float64Array): void {
  into.fill(0);
  // Four at a time: an enlargement by bicubic is made of no more.
  for (let k = 0; k < rows.length; k += 4) {
    const a = rows[k]!;
    const [b = a, c = a, d = a] = rows.slice(k + 1, k + 4);
    const [ofA = 0, ofB = 0, ofC = 0, ofD = 0] = weights.subarray(k, k + 4);
    for (let i = 0; i < into.length; i += 1) {
      into[i]! += ofA * a[i]! + ofB * b[i]! + ofC * c[i]! + ofD * d[i]!;
    }
  }
}

/** The sample that stands for index `j` (any integer) of a row mirrored about its ends, the edge sample repeated (… 1 0 | 0 1 2 …). */
export function mirror(j: number, length: number): number {
  const period = 2 * length;
  const wrapped = ((j % period) + period) % period;
  return wrapped < length ? wrapped : period - 1 - wrapped;
}
