import { invariant } from "#shared/domain/fault.ts";
import { rowSamples, type RasterShape } from "./raster-shape.ts";
import { type PlaneLayout } from "./tensor.ts";
import type { TileAxis, TilePlan } from "./tile.ts";

/** One tile as the model answered it: three planes that begin at the tile's top left corner. */
export interface TileOutput {
  data: Float32Array;
  /** Size of a plane; what lies outside of the picture (padding) is never read. */
  width: number;
  height: number;
}

/** Joins tiles into finished rows; see {@link createBlender}. */
export interface Blender {
  /**
   * Takes the tile of this column and row. Tiles come row by row, each row from left to right. Answers whether every
   * value that became part of the picture so far is finite.
   */
  add(tile: TileOutput, column: number, row: number): boolean;
  /** The rows finished by the tiles of this row, once its last tile was added: a view that the next row overwrites. */
  finishedRows(row: number): Uint16Array<ArrayBuffer>;
}

/** Pixels of the output that one tile touches along an axis: `from..own` fade in, `own..fade` alone, `fade..to` fade out. */
interface Span {
  from: number;
  own: number;
  fade: number;
  to: number;
  /** Where the tile itself begins; at or before `from`. */
  start: number;
}

/**
 * Joins overlapping tiles, `scale` times as large as planned, into rows of 16-bit samples. Where two tiles meet, the
 * earlier one is faded into the later one along a cosine; everything else is copied, so that multiplications happen
 * only in the overlaps, and equal tiles stay equal to the last bit. Held at any time: the finished rows of one tile
 * row, the fade to the next tile row (floats, full width), and the fade to the next tile (floats, one tile high).
 *
 * A shape of one channel receives the luma (BT.601) of the planes. Values beyond 0..range are clipped.
 */
export function createBlender(
  { plan, scale }: { plan: TilePlan; scale: number },
  shape: RasterShape,
  layout: PlaneLayout,
): Blender {
  invariant(
    shape.width === plan.x.length * scale && shape.height === plan.y.length * scale,
    "the output is enlarged",
  );
  invariant(shape.bits === 16 && shape.channels !== 4, "tiles are joined at 16 bits, without alpha");
  const columns = spans(plan.x, scale);
  const rows = spans(plan.y, scale);
  const { channels } = shape;
  const weights = fadeWeights(plan.x.blend * scale);
  const stride = rowSamples(shape);
  const band = new Uint16Array(stride * Math.max(...rows.map((span) => span.fade - span.from)));
  const below = new Float32Array(rows.length > 1 ? stride * plan.y.blend * scale : 0);
  const besideRow = columns.length > 1 ? plan.x.blend * scale * channels : 0;
  const beside = new Float32Array(besideRow * Math.max(...rows.map((span) => span.to - span.from)));
  const line = new Float32Array(channels * Math.max(...columns.map((span) => span.to - span.from)));
  const unpack = channels === 3 ? unpackColour : unpackLuma;
  const toWord = 65_535 / layout.range;
  // With nothing to fade at the sides, planes become words without a line of floats between them.
  const isDirect = channels === 3 && columns.length === 1;
  // Not finite exactly when some value was not: a sum of finite floats stays far within a double.
  let total = 0;

  return {
    add(tile: TileOutput, column: number, row: number): boolean {
      const across = columns[column]!;
      const down = rows[row]!;
      const isInside = across.to - across.start <= tile.width && down.to - down.start <= tile.height;
      invariant(isInside, "the tile holds what the plan takes from it");
      const plane = tile.width * tile.height;
      const first = layout.order === "rgb" ? 0 : 2 * plane;
      const touched = line.subarray(0, (across.to - across.from) * channels);
      const finished = line.subarray(0, (across.fade - across.from) * channels);
      const fading = touched.subarray(finished.length);
      const left = across.from * channels;
      for (let y = down.from; y < down.to; y += 1) {
        const at = (y - down.start) * tile.width + (across.from - across.start);
        const places = { red: first + at, green: plane + at, blue: 2 * plane - first + at };
        if (isDirect && y >= down.own && y < down.fade) {
          const into = (y - down.from) * stride;
          total += quantisePlanes(tile.data, band.subarray(into, into + stride), { places, toWord });
          continue;
        }
        unpack(tile.data, touched, places);
        const besideAt = (y - down.from) * besideRow;
        if (column > 0)
          fadeAcross(beside.subarray(besideAt, besideAt + besideRow), touched, { weights, channels });
        beside.set(fading, besideAt);
        if (y >= down.fade) {
          below.set(finished, (y - down.fade) * stride + left);
          continue;
        }
        const into = (y - down.from) * stride + left;
        const above = below.subarray(into, into + finished.length);
        if (y < down.own) fadeDown(above, finished, weights[y - down.from]!);
        total += quantise(finished, band.subarray(into, into + finished.length), toWord);
      }
      return Number.isFinite(total);
    },
    finishedRows: (row: number): Uint16Array<ArrayBuffer> =>
      band.subarray(0, (rows[row]!.fade - rows[row]!.from) * stride),
  };
}

/** Weights of the later tile along a fade: a cosine ramp from 0 to 1, symmetric, so that both weights sum to 1. */
export function fadeWeights(count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, k) => 0.5 - 0.5 * Math.cos((Math.PI * (k + 0.5)) / count));
}

function spans(axis: TileAxis, scale: number): Span[] {
  return axis.starts.map((start, index) => {
    const before = axis.fades[index - 1];
    const after = axis.fades[index] ?? axis.length;
    const fadeOut = index < axis.fades.length ? axis.blend : 0;
    return {
      from: (before ?? 0) * scale,
      own: (before === undefined ? 0 : before + axis.blend) * scale,
      fade: after * scale,
      to: (after + fadeOut) * scale,
      start: start * scale,
    };
  });
}

/** Where the pixels of a line lie in the three planes. */
interface PlanePlaces {
  red: number;
  green: number;
  blue: number;
}

function unpackColour(data: Float32Array, line: Float32Array, { red, green, blue }: PlanePlaces): void {
  for (let i = 0, at = 0; at < line.length; i += 1, at += 3) {
    line[at] = data[red + i]!;
    line[at + 1] = data[green + i]!;
    line[at + 2] = data[blue + i]!;
  }
}

function unpackLuma(data: Float32Array, line: Float32Array, { red, green, blue }: PlanePlaces): void {
  for (let i = 0; i < line.length; i += 1) {
    line[i] = 0.299 * data[red + i]! + 0.587 * data[green + i]! + 0.114 * data[blue + i]!;
  }
}

/** Fades from the tile at the left into the beginning of `line`. */
function fadeAcross(
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
function fadeDown(above: Float32Array, line: Float32Array, weight: number): void {
  for (let i = 0; i < line.length; i += 1) line[i] = above[i]! + weight * (line[i]! - above[i]!);
}

/** `unpackColour` and `quantise` in one pass. Answers the sum of the values. */
function quantisePlanes(
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
function quantise(line: Float32Array, into: Uint16Array, toWord: number): number {
  let sum = 0;
  for (let i = 0; i < line.length; i += 1) {
    const value = line[i]! * toWord + 0.5;
    sum += value;
    into[i] = value > 0 ? (value < 65_535 ? value : 65_535) : 0;
  }
  return sum;
}
