import { invariant } from "#shared/domain/fault.ts";
import { bicubic, resize, type FloatPicture } from "../image/resample.ts";
import type { RasterShape, RowSink } from "../image/raster-shape.ts";

export interface PreviewSize {
  readonly width: number;
  readonly height: number;
}

/** A picture of 16 bits made small while it passes by. */
export interface Previewer extends RowSink {
  /** Of the small picture. */
  readonly size: PreviewSize;
  /** Takes the next rows at once. */
  push(rows: Uint16Array): void;
  /** The small picture, 0..1, once all rows have passed. */
  finish(): FloatPicture;
}

const WHITE = 65_535;

/**
 * How the pixels of one axis are averaged: output pixel i takes `heads[i]` of the input pixel `firsts[i]`, `whole` of
 * each after it, and `tails[i]` of `firsts[i + 1]`, in which the next one begins. The shares sum to 1.
 */
interface Windows {
  readonly firsts: Int32Array;
  readonly heads: Float64Array;
  readonly tails: Float64Array;
  readonly whole: number;
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
  const across = windows(shape.width, width);
  const down = windows(shape.height, height);
  const samples = shape.width * channels;
  const stride = width * channels;
  const reduce = channels === 3 ? reduceColour : reduceGray;
  const data = new Float32Array(stride * height);
  const sum = new Float64Array(samples);
  let y = 0;
  let line = 0;

  const endLine = (): void => {
    reduce(sum, data.subarray(line * stride, (line + 1) * stride), across);
    sum.fill(0);
    line += 1;
  };
  // Across the rows first: that halves the work along them.
  const push = (rows: Uint16Array): void => {
    for (let at = 0; at < rows.length; at += samples, y += 1) {
      const row = rows.subarray(at, at + samples);
      if (y === down.firsts[line + 1]) {
        if (down.tails[line]! > 0) addRow(sum, row, down.tails[line]!);
        endLine();
      }
      addRow(sum, row, y === down.firsts[line] ? down.heads[line]! : down.whole);
      if (y === shape.height - 1) endLine();
    }
  };
  return {
    shape,
    size: { width, height },
    push,
    async writeRows(rows) {
      invariant(rows instanceof Uint16Array, "previews are made of 16 bits");
      push(rows);
    },
    finish(): FloatPicture {
      invariant(line === height, "all rows have passed");
      return { data, width, height, channels };
    },
  };
}

/** In whole numbers, `from` times finer: input pixel p spans p·to to (p + 1)·to, output pixel i spans i·from to (i + 1)·from. */
function windows(from: number, to: number): Windows {
  const firsts = Int32Array.from({ length: to + 1 }, (_, i) => Math.floor((i * from) / to));
  const heads = Float64Array.from({ length: to }, (_, i) => ((firsts[i]! + 1) * to - i * from) / from);
  const tails = Float64Array.from({ length: to }, (_, i) => ((i + 1) * from - firsts[i + 1]! * to) / from);
  return { firsts, heads, tails, whole: to / from };
}

function addRow(sum: Float64Array, row: Uint16Array, share: number): void {
  const factor = share / WHITE;
  for (let i = 0; i < sum.length; i += 1) sum[i]! += factor * row[i]!;
}

function reduceColour(row: Float64Array, into: Float32Array, { firsts, heads, tails, whole }: Windows): void {
  for (let i = 0, to = 0; i < heads.length; i += 1, to += 3) {
    let at = firsts[i]! * 3;
    const end = firsts[i + 1]! * 3;
    const head = heads[i]!;
    let red = head * row[at]!;
    let green = head * row[at + 1]!;
    let blue = head * row[at + 2]!;
    for (at += 3; at < end; at += 3) {
      red += whole * row[at]!;
      green += whole * row[at + 1]!;
      blue += whole * row[at + 2]!;
    }
    const tail = tails[i]!;
    if (tail > 0) {
      red += tail * row[end]!;
      green += tail * row[end + 1]!;
      blue += tail * row[end + 2]!;
    }
    into[to] = red;
    into[to + 1] = green;
    into[to + 2] = blue;
  }
}

function reduceGray(row: Float64Array, into: Float32Array, { firsts, heads, tails, whole }: Windows): void {
  for (let i = 0; i < heads.length; i += 1) {
    const end = firsts[i + 1]!;
    let level = heads[i]! * row[firsts[i]!]!;
    for (let at = firsts[i]! + 1; at < end; at += 1) level += whole * row[at]!;
    if (tails[i]! > 0) level += tails[i]! * row[end]!;
    into[i] = level;
  }
}

/** Interleaved 8-bit RGB. */
export interface PaintedPreview extends PreviewSize {
  readonly data: Uint8Array<ArrayBuffer>;
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

function fitted(picture: FloatPicture, size: PreviewSize): Float32Array {
  const fits = picture.width === size.width && picture.height === size.height;
  return fits ? picture.data : resize(picture, size, bicubic).data;
}

/** Width of the white line between two pictures. */
const LINE_PIXELS = 4;

/** Two pictures of one size in one, the first on the left, a white line between them. */
export function sideBySide(left: PaintedPreview, right: PaintedPreview): PaintedPreview {
  const { width, height } = left;
  invariant(right.width === width && right.height === height, "pictures side by side are of one size");
  const whole = 2 * width + LINE_PIXELS;
  const data = new Uint8Array(whole * height * 3).fill(255);
  for (let y = 0; y < height; y += 1) {
    const row = (picture: PaintedPreview): Uint8Array =>
      picture.data.subarray(y * width * 3, (y + 1) * width * 3);
    data.set(row(left), y * whole * 3);
    data.set(row(right), (y * whole + width + LINE_PIXELS) * 3);
  }
  return { data, width: whole, height };
}
