import { invariant } from "#shared/domain/fault.ts";
import type { PlanePlaces } from "./blend-lines.ts";
import type { RasterShape } from "./raster-shape.ts";
import type { PlaneLayout } from "./tensor.ts";
import type { TileAxis } from "./tile.ts";

/** One tile as the model answered it: three planes that begin at the tile's top left corner. */
export interface TileOutput {
  data: Float32Array;
  /** Size of a plane; what lies outside of the picture (padding) is never read. */
  width: number;
  height: number;
}

/** Joins tiles into finished rows; see {@link createBlender}. */
export interface Blender {
  /** Takes the tile of this column and row. Tiles come row by row, each row from left to right. */
  add(tile: TileOutput, column: number, row: number): void;
  /**
   * The rows finished by the tiles of this row, once its last tile was added, in bands from the top. Each band is
   * overwritten by the next, and all are to be taken before the next tile is added.
   */
  finishedBands(row: number): Iterable<Uint16Array<ArrayBuffer>>;
  /** Whether every value in the rows that were finished is finite. */
  isFinite(): boolean;
}

/** Pixels of the output that one tile touches along an axis: `from..own` fade in, `own..fade` alone, `fade..to` fade out. */
export interface Span {
  from: number;
  own: number;
  fade: number;
  to: number;
  /** Where the tile itself begins; at or before `from`. */
  start: number;
}

/** What the two ways of joining have in common. */
export interface BlendAsk {
  readonly shape: RasterShape;
  readonly layout: PlaneLayout;
  readonly columns: readonly Span[];
  readonly rows: readonly Span[];
  /** Pixels of a fade, across and down. */
  readonly fades: { readonly across: number; readonly down: number };
}

/** The spans of an axis, `scale` times as long as planned. */
export function spans(axis: TileAxis, scale: number): Span[] {
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

/** Throws when a tile is smaller than what its plan takes from it: a bug of the caller. */
export function demandTile(tile: TileOutput, across: Span, down: Span): void {
  const isInside = across.to - across.start <= tile.width && down.to - down.start <= tile.height;
  invariant(isInside, "the tile holds what the plan takes from it");
}

/** Where the pixel `at` of each plane lies. */
export function planePlaces({ width, height }: TileOutput, { order }: PlaneLayout, at: number): PlanePlaces {
  const plane = width * height;
  const first = order === "rgb" ? 0 : 2 * plane;
  return { red: first + at, green: plane + at, blue: 2 * plane - first + at };
}
