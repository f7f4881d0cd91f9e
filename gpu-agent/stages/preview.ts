import { invariant } from "#shared/domain/fault.ts";
import { bicubic, resize, type FloatPicture } from "../image/resample.ts";
import type { RasterShape, RowSink } from "../image/raster-shape.ts";

/** A picture of 16 bits made small while it passes by. */
export interface Previewer extends RowSink {
  /** Takes the next rows at once. */
  push(rows: Uint16Array): void;
  /** The small picture, 0..1, once all rows have passed. */
  finish(): FloatPicture;
}

const UNIT = 1 / 65_535;

/** Where the pixels of one axis go: pixel i gives `shares[i]` of itself to `bins[i]` and `rests[i]` to the next bin. */
interface Reduction {
  readonly bins: Int32Array;
  readonly shares: Float64Array;
  readonly rests: Float64Array;
}

/**
 * Reduces by area averages to a longest side of `sideMax`, aspect kept; smaller pictures stay as they are. Held: the
 * small picture and one row of the large one, in floats.
 */
export function createPreviewer(shape: RasterShape, sideMax: number): Previewer {
  const { channels } = shape;
  invariant(shape.bits === 16 && channels !== 4, "previews are made of 16 bits, without alpha");
  const scale = Math.min(1, sideMax / Math.max(shape.width, shape.height));
  const width = Math.max(1, Math.round(shape.width * scale));
  const height = Math.max(1, Math.round(shape.height * scale));
  const across = reduction(shape.width, width);
  const down = reduction(shape.height, height);
  const samples = shape.width * channels;
  const stride = width * channels;
  // One pixel beyond the end takes what rounding leaves over.
  const data = new Float32Array(stride * height + channels);
  const sum = new Float64Array(samples);
  let y = 0;

  // Across the rows first: that halves the work along them.
  const push = (rows: Uint16Array): void => {
    for (let at = 0; at < rows.length; at += samples, y += 1) {
      const row = rows.subarray(at, at + samples);
      addRow(sum, row, down.shares[y]! * UNIT);
      const bin = down.bins[y]!;
      if (y + 1 < shape.height && down.bins[y + 1] === bin) continue;
      reduceRow(sum, data.subarray(bin * stride, (bin + 1) * stride + channels), { across, channels });
      sum.fill(0);
      if (down.rests[y]! > 0) addRow(sum, row, down.rests[y]! * UNIT);
    }
  };
  return {
    shape,
    push,
    async writeRows(rows) {
      invariant(rows instanceof Uint16Array, "previews are made of 16 bits");
      push(rows);
    },
    finish: () => ({ data: data.subarray(0, stride * height), width, height, channels }),
  };
}

function reduction(from: number, to: number): Reduction {
  const bins = new Int32Array(from);
  const shares = new Float64Array(from);
  const rests = new Float64Array(from);
  for (let i = 0; i < from; i += 1) {
    // In whole numbers: pixel i spans i·to to (i + 1)·to of from·to.
    const bin = Math.floor((i * to) / from);
    const own = Math.min((i + 1) * to, (bin + 1) * from) - i * to;
    bins[i] = bin;
    shares[i] = own / from;
    rests[i] = (to - own) / from;
  }
  return { bins, shares, rests };
}

function addRow(sum: Float64Array, row: Uint16Array, share: number): void {
  for (let i = 0; i < sum.length; i += 1) sum[i]! += share * row[i]!;
}

/** Adds a row to a shorter one and the pixel after it, which may belong to the next row and is left as it was. */
function reduceRow(
  row: Float64Array,
  into: Float32Array,
  { across, channels }: { across: Reduction; channels: number },
): void {
  const { bins, shares, rests } = across;
  const step = channels === 1 ? 0 : 1;
  for (let x = 0, at = 0; x < bins.length; x += 1, at += channels) {
    const to = bins[x]! * channels;
    const red = row[at]!;
    const green = row[at + step]!;
    const blue = row[at + 2 * step]!;
    const share = shares[x]!;
    into[to]! += share * red;
    if (channels === 3) {
      into[to + 1]! += share * green;
      into[to + 2]! += share * blue;
    }
    const rest = rests[x]!;
    if (rest === 0) continue;
    into[to + channels]! += rest * red;
    if (channels === 3) {
      into[to + 4]! += rest * green;
      into[to + 5]! += rest * blue;
    }
  }
}

/** Interleaved 8-bit RGB. */
export interface PaintedPreview {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

/**
 * A small picture as a viewer shows it: laid over white through its opacity (of any size), as its luma (BT.601) where
 * the result is gray.
 */
export function paintPreview(ask: {
  picture: FloatPicture;
  opacity: FloatPicture | undefined;
  gray: boolean;
}): PaintedPreview {
  const { picture, gray } = ask;
  const { width, height, channels } = picture;
  const opacity = ask.opacity === undefined ? undefined : fitted(ask.opacity, { width, height });
  const data = new Uint8Array(width * height * 3);
  const step = channels === 1 ? 0 : 1;
  for (let i = 0, from = 0, to = 0; i < width * height; i += 1, from += channels, to += 3) {
    const share = opacity === undefined ? 1 : Math.min(1, Math.max(0, opacity[i]!));
    const rest = 255 * (1 - share) + 0.5;
    let red = picture.data[from]!;
    let green = picture.data[from + step]!;
    let blue = picture.data[from + 2 * step]!;
    if (gray) red = green = blue = 0.299 * red + 0.587 * green + 0.114 * blue;
    // The largest value is 255.5, which is stored as 255.
    data[to] = 255 * share * red + rest;
    data[to + 1] = 255 * share * green + rest;
    data[to + 2] = 255 * share * blue + rest;
  }
  return { data, width, height };
}

function fitted(picture: FloatPicture, size: { width: number; height: number }): Float32Array {
  const fits = picture.width === size.width && picture.height === size.height;
  return fits ? picture.data : resize(picture, size, bicubic).data;
}
