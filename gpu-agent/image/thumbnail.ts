import { invariant } from "#shared/domain/fault.ts";
import { rowSamples, type RasterShape, type RowSink, type Samples } from "./raster-shape.ts";

/** A small picture for people: interleaved 8-bit RGB, transparency laid over white. */
export interface Thumbnail {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/** A picture made small while it passes by. */
export interface Thumbnailer extends RowSink {
  readonly size: { readonly width: number; readonly height: number };
  /** Takes the next rows at once. */
  push(rows: Samples): void;
  /** The small picture, once all rows have passed. */
  finish(): Thumbnail;
}

/**
 * Reduces by the smallest whole factor that brings the longest side to `sideMax` or below; each pixel is the mean of a
 * square of that many. What is left over at the right and lower edge, less than one square, is left out. In integers:
 * a result passes by here on its way to the encoder.
 */
export function createThumbnailer(shape: RasterShape, sideMax: number): Thumbnailer {
  const { channels } = shape;
  const factor = Math.ceil(Math.max(shape.width, shape.height) / sideMax);
  const across = Math.min(factor, shape.width);
  const down = Math.min(factor, shape.height);
  const width = Math.floor(shape.width / across);
  const height = Math.floor(shape.height / down);
  const white = shape.bits === 8 ? 255 : 65_535;
  invariant(across * down * white < 2 ** 32, "the sums of a square fit in 32 bits");
  const data = new Uint8ClampedArray(width * height * 3);
  const sums = new Uint32Array(width * 3);
  const share = 255 / (across * down * white);
  const add = channels === 3 ? addColour : channels === 1 ? addGray : addOverWhite;
  const samples = rowSamples(shape);
  let y = 0;

  const push = (rows: Samples): void => {
    for (let at = 0; at < rows.length; at += samples, y += 1) {
      const line = Math.floor(y / down);
      if (line >= height) continue;
      add(rows, sums, { at, across, white });
      if ((y + 1) % down !== 0) continue;
      scale(sums, data.subarray(line * sums.length, (line + 1) * sums.length), share);
      sums.fill(0);
    }
  };
  return {
    shape,
    size: { width, height },
    push,
    writeRows: async (rows) => push(rows),
    finish(): Thumbnail {
      invariant(y === shape.height, "all rows have passed");
      return { width, height, data };
    },
  };
}

function scale(sums: Uint32Array, into: Uint8ClampedArray, share: number): void {
  for (let i = 0; i < sums.length; i += 1) into[i] = sums[i]! * share;
}

/** Where a row begins, how many of its pixels make one, and its white. */
interface RowPlace {
  at: number;
  readonly across: number;
  readonly white: number;
}

function addColour(rows: Samples, sums: Uint32Array, { at, across }: RowPlace): void {
  for (let to = 0; to < sums.length; to += 3) {
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let n = 0; n < across; n += 1, at += 3) {
      red += rows[at]!;
      green += rows[at + 1]!;
      blue += rows[at + 2]!;
    }
    sums[to]! += red;
    sums[to + 1]! += green;
    sums[to + 2]! += blue;
  }
}

function addGray(rows: Samples, sums: Uint32Array, { at, across }: RowPlace): void {
  for (let to = 0; to < sums.length; to += 3) {
    let level = 0;
    for (let n = 0; n < across; n += 1, at += 1) level += rows[at]!;
    sums[to]! += level;
    sums[to + 1]! += level;
    sums[to + 2]! += level;
  }
}

function addOverWhite(rows: Samples, sums: Uint32Array, { at, across, white }: RowPlace): void {
  for (let to = 0; to < sums.length; to += 3) {
    for (let n = 0; n < across; n += 1, at += 4) {
      const opacity = rows[at + 3]! / white;
      for (let channel = 0; channel < 3; channel += 1)
        sums[to + channel]! += Math.round(white + opacity * (rows[at + channel]! - white));
    }
  }
}
