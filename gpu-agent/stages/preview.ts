import { invariant } from "#shared/domain/fault.ts";
import type { FloatPicture } from "../image/resample.ts";
import type { RasterShape, RowSink } from "../image/raster-shape.ts";

interface PreviewSize {
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
 * small picture, in floats.
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
  const add = channels === 3 ? addColour : addGray;
  const data = new Float32Array(stride * height);
  let y = 0;
  let line = 0;

  const addRow = (row: Uint16Array, share: number): void => {
    if (share === 0) return;
    add(row, data.subarray(line * stride, (line + 1) * stride), { ...across, share: share / WHITE });
  };
  const push = (rows: Uint16Array): void => {
    for (let at = 0; at < rows.length; at += samples, y += 1) {
      const row = rows.subarray(at, at + samples);
      if (y === down.firsts[line + 1]) {
        addRow(row, down.tails[line]!);
        line += 1;
      }
      addRow(row, y === down.firsts[line] ? down.heads[line]! : down.whole);
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
      invariant(y === shape.height, "all rows have passed");
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

/** How one row is added to a line of the small picture: its windows, and the share of the row, 0..1/65,535. */
type RowShare = Windows & { readonly share: number };

function addColour(row: Uint16Array, into: Float32Array, ask: RowShare): void {
  const { firsts, heads, tails, whole, share } = ask;
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
    into[to]! += share * red;
    into[to + 1]! += share * green;
    into[to + 2]! += share * blue;
  }
}

function addGray(row: Uint16Array, into: Float32Array, ask: RowShare): void {
  const { firsts, heads, tails, whole, share } = ask;
  for (let i = 0; i < heads.length; i += 1) {
    const end = firsts[i + 1]!;
    let level = heads[i]! * row[firsts[i]!]!;
    for (let at = firsts[i]! + 1; at < end; at += 1) level += whole * row[at]!;
    if (tails[i]! > 0) level += tails[i]! * row[end]!;
    into[i]! += share * level;
  }
}
