import { invariant } from "#shared/domain/fault.ts";
import { rowSamples, type RasterShape, type Samples } from "./raster-shape.ts";

/** How a model wants its three planes. */
export interface PlaneLayout {
  /** Which plane comes first. */
  order: "rgb" | "bgr";
  /** The value of white: 1, 255, or whatever the model was trained with. Black is 0. */
  range: number;
}

/** The layout of most models. */
export const plainLayout: PlaneLayout = { order: "rgb", range: 1 };

/** Rows of a picture of one or three channels, and the part of it to pack. */
export interface PackRegion {
  shape: RasterShape;
  rows: Samples;
  /** Index of the first of `rows` in the picture; together they cover the region's height inside the picture. */
  firstRow: number;
  x: number;
  y: number;
  /** Size of the tile. It may exceed the picture at the right and at the bottom: the picture is reflected there. */
  width: number;
  height: number;
}

/**
 * Packs a region into `into` as three float planes (NCHW, N = 1), 0..range. Gray becomes three equal planes. Outside
 * of the picture it is reflected about its last pixel, again and again where it is smaller than the padding.
 */
export function packPlanes(region: PackRegion, into: Float32Array, layout: PlaneLayout): void {
  const { shape, rows, width, height } = region;
  const { channels } = shape;
  invariant(channels === 1 || channels === 3, "models take gray or RGB; alpha travels apart");
  invariant(into.length === 3 * width * height, "the tensor has three planes of the tile's size");
  const scale = layout.range / (shape.bits === 8 ? 255 : 65_535);
  const plane = width * height;
  const offsets = new Int32Array(width);
  for (let i = 0; i < width; i += 1) offsets[i] = reflect(region.x + i, shape.width) * channels;
  const red = layout.order === "rgb" ? 0 : 2 * plane;
  const blue = 2 * plane - red;
  for (let y = 0; y < height; y += 1) {
    const start = (reflect(region.y + y, shape.height) - region.firstRow) * rowSamples(shape);
    const row = rows.subarray(start, start + rowSamples(shape));
    invariant(start >= 0 && row.length === rowSamples(shape), "the rows cover the tile");
    const at = y * width;
    if (channels === 3)
      packRgbRow(row, into, { offsets, scale, red: red + at, green: plane + at, blue: blue + at });
    else packGrayRow(row, into.subarray(at, at + width), { offsets, scale });
  }
  if (channels === 1) {
    into.copyWithin(plane, 0, plane);
    into.copyWithin(2 * plane, 0, plane);
  }
}

/** The pixel that stands for index `i` ≥ 0 of a row reflected about its last pixel and its first, without repeating them. */
export function reflect(i: number, length: number): number {
  if (i < length) return i;
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const wrapped = i % period;
  return wrapped < length ? wrapped : period - wrapped;
}

interface RowPlaces {
  offsets: Int32Array;
  scale: number;
  red: number;
  green: number;
  blue: number;
}

function packRgbRow(row: Samples, into: Float32Array, { offsets, scale, red, green, blue }: RowPlaces): void {
  for (let i = 0; i < offsets.length; i += 1) {
    const from = offsets[i]!;
    into[red + i] = row[from]! * scale;
    into[green + i] = row[from + 1]! * scale;
    into[blue + i] = row[from + 2]! * scale;
  }
}

function packGrayRow(
  row: Samples,
  into: Float32Array,
  { offsets, scale }: { offsets: Int32Array; scale: number },
): void {
  for (let i = 0; i < offsets.length; i += 1) into[i] = row[offsets[i]!]! * scale;
}
