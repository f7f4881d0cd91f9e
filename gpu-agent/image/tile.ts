import { invariant } from "#shared/domain/fault.ts";

/** What a model and a device allow, and the picture to cover. All lengths are pixels of the model's input. */
export interface TileRequest {
  width: number;
  height: number;
  /** Every pixel that is used lies at least this far inside its tile, unless the picture itself ends there. */
  context: number;
  /** Neighbours are faded into each other over this many pixels on top of the context; `min(8, context)` by default. */
  blend?: number;
  /** Both sides of a tile are multiples of this. */
  multiple: number;
  /** A tile holds at most this many pixels: what memory allows. */
  tilePixelsMax: number;
  /** Tiles must be square. */
  square?: boolean;
  /** The model was exported for exactly this side: tiles are `fixed` × `fixed`, whatever the picture. */
  fixed?: number;
}

/** Where the tiles of one axis begin, and how they are faded. */
export interface TileAxis {
  /** Length of the picture along this axis. */
  length: number;
  /** Length of every tile along this axis. It exceeds `length` only where there is a single tile. */
  tile: number;
  /** First pixel of each tile, ascending from 0; the last tile ends at the end of the picture or beyond it. */
  starts: number[];
  /** First pixel of each fade: `fades[i]` lies between tiles i and i + 1 and is `blend` pixels long. */
  fades: number[];
  blend: number;
}

/** One fixed tile shape for the whole picture; tiles are computed row by row. */
export interface TilePlan {
  x: TileAxis;
  y: TileAxis;
  tiles: number;
  /** Pixels the model computes in all, overlaps and padding included. */
  computedPixels: number;
}

/** A tile length and the fewest tiles of that length that cover the axis. */
interface Cover {
  tile: number;
  count: number;
}

/** How far neighbours overlap, and how much of that is faded. */
interface Margins {
  overlap: number;
  blend: number;
}

/** Covers of both axes, each ascending by tile length. */
interface Candidates {
  columns: Cover[];
  rows: Cover[];
  tilePixelsMax: number;
}

/**
 * Chooses the tiling that computes the fewest pixels within the limits; among equals the one with fewer tiles. Per
 * axis the number of tiles comes first, then the smallest tile that covers with the context on every inner side: a
 * careless tile size can double the work. Neighbours overlap by at least `2 * context + blend`.
 *
 * Only an axis with a single tile is padded (to the multiple or the fixed side), and only past its end: with more
 * than one tile, tiles fit inside the picture.
 *
 * Throws when no tile obeys the limits: the limits are then wrong for the model.
 */
export function planTiles(request: TileRequest): TilePlan {
  const { width, height, context, multiple, tilePixelsMax, fixed } = request;
  const blend = request.blend ?? Math.min(8, context);
  for (const count of [width, height, multiple])
    invariant(Number.isInteger(count) && count >= 1, "sizes are positive");
  for (const count of [context, blend]) invariant(Number.isInteger(count) && count >= 0, "margins are whole");
  invariant(fixed === undefined || fixed % multiple === 0, "the fixed tile is a multiple");

  const margins: Margins = { overlap: 2 * context + blend, blend };
  const columns = covers(width, request, margins);
  const rows = covers(height, request, margins);
  const best =
    request.square === true || fixed !== undefined
      ? bestSquare({ columns, rows, tilePixelsMax }, (tile) => [
          coverWith(tile, width, margins),
          coverWith(tile, height, margins),
        ])
      : bestOblong({ columns, rows, tilePixelsMax });
  invariant(best !== undefined, `a tile of at most ${tilePixelsMax} px with ${context} px of context exists`);
  const [column, row] = best;
  const tiles = column.count * row.count;
  return {
    x: placeTiles(width, column, blend),
    y: placeTiles(height, row, blend),
    tiles,
    computedPixels: tiles * column.tile * row.tile,
  };
}

/** The middle of every fade, in pixels of an output enlarged by `scale`: where a seam would show. */
export function seamLines(plan: TilePlan, scale: number): { xs: number[]; ys: number[] } {
  const middles = (axis: TileAxis): number[] =>
    axis.fades.map((fade) => Math.round((fade + axis.blend / 2) * scale));
  return { xs: middles(plan.x), ys: middles(plan.y) };
}

/** The useful tile lengths of an axis, ascending: from many small tiles to a single one. */
function covers(length: number, { multiple, fixed }: TileRequest, margins: Margins): Cover[] {
  if (fixed !== undefined) return [coverWith(fixed, length, margins)].filter((cover) => cover !== undefined);
  const found: Cover[] = [{ tile: Math.ceil(length / multiple) * multiple, count: 1 }];
  for (let count = 2; count <= length; count += 1) {
    const tile = Math.ceil((length + margins.overlap * (count - 1)) / (count * multiple)) * multiple;
    if (tile > length || tile === found.at(-1)!.tile) continue;
    const cover = coverWith(tile, length, margins);
    if (cover !== undefined) found.push(cover);
  }
  return found.reverse();
}

/** The fewest tiles of this length that cover the axis; nothing when the margins leave too little of a tile. */
function coverWith(tile: number, length: number, { overlap, blend }: Margins): Cover | undefined {
  if (tile >= length) return { tile, count: 1 };
  if (tile <= overlap) return undefined;
  const count = Math.ceil((length - overlap) / (tile - overlap));
  // Shorter steps would let one fade run into the next, and three tiles meet.
  const step = Math.floor((length - tile) / (count - 1));
  return count > 2 && step < Math.max(1, blend) ? undefined : { tile, count };
}

function bestOblong({ columns, rows, tilePixelsMax }: Candidates): [Cover, Cover] | undefined {
  // cheapest[i]: the row cover of least work among those no taller than rows[i].
  const cheapest: Cover[] = [];
  for (const row of rows) {
    const before = cheapest.at(-1);
    cheapest.push(before !== undefined && work(before) < work(row) ? before : row);
  }
  let best: [Cover, Cover] | undefined;
  let last = rows.length - 1;
  for (const column of columns) {
    while (last >= 0 && rows[last]!.tile * column.tile > tilePixelsMax) last -= 1;
    const row = cheapest[last];
    if (row !== undefined && isBetter([column, row], best)) best = [column, row];
  }
  return best;
}

function bestSquare(
  { columns, rows, tilePixelsMax }: Candidates,
  coverBoth: (tile: number) => [Cover | undefined, Cover | undefined],
): [Cover, Cover] | undefined {
  let best: [Cover, Cover] | undefined;
  for (const tile of new Set([...columns, ...rows].map((cover) => cover.tile))) {
    const [column, row] = coverBoth(tile);
    if (tile * tile > tilePixelsMax || column === undefined || row === undefined) continue;
    if (isBetter([column, row], best)) best = [column, row];
  }
  return best;
}

/** Pixels computed along one axis. */
const work = (cover: Cover): number => cover.tile * cover.count;

function isBetter(candidate: [Cover, Cover], best: [Cover, Cover] | undefined): boolean {
  if (best === undefined) return true;
  const saved = work(best[0]) * work(best[1]) - work(candidate[0]) * work(candidate[1]);
  return (
    saved > 0 || (saved === 0 && candidate[0].count * candidate[1].count < best[0].count * best[1].count)
  );
}

/** Spreads the tiles evenly and centres each fade in the overlap of its two tiles. */
function placeTiles(length: number, { tile, count }: Cover, blend: number): TileAxis {
  const starts = Array.from({ length: count }, (_, index) =>
    count === 1 ? 0 : Math.floor((index * (length - tile)) / (count - 1)),
  );
  const fades = starts
    .slice(1)
    .map((start, index) => Math.floor((start + starts[index]! + tile - blend) / 2));
  return { length, tile, starts, fades, blend };
}
