import { invariant } from "#shared/domain/fault.ts";

/** A small picture for measuring: interleaved RGB in 0..1, row by row. */
export type Pixels = { readonly width: number; readonly height: number; readonly data: Float32Array };

/** What the measurements read instead of the whole photograph. */
export type PixelSample = {
  /** The whole photograph reduced by box means to about 65,000 pixels: for tone and chroma, with the grain averaged away. */
  overview: Pixels;
  /** Untouched full-resolution cuttings spread evenly over it, together at most 131,072 pixels: for grain and sharpness. */
  tiles: Pixels[];
};

type Rectangle = { left: number; top: number; width: number; height: number };

const overviewPixelsMax = 65_536;
const tilePixelsSide = 128;
const samplePixelsMax = 131_072;
/** Narrower pictures are measured as they are; all others are halved at least, which halves the grain. */
const overviewSideMin = 64;

/**
 * Gathers a sample from a photograph that passes by once, in bands of whole rows from top to bottom. Memory: at most
 * about 3 MB whatever the size of the photograph.
 */
export function createPixelSampler(size: { width: number; height: number }) {
  const { width, height } = size;
  invariant(width > 0 && height > 0, `a sample of ${width} × ${height} pixels`);
  const overview = overviewAccumulator(width, height);
  const rectangles = tileRectangles(width, height);
  const tiles = rectangles.map((tile): Pixels & { data: Float32Array } => ({
    width: tile.width,
    height: tile.height,
    data: new Float32Array(tile.width * tile.height * 3),
  }));
  let nextRow = 0;

  return {
    /** Takes the next rows, interleaved RGB. The scale follows from the element type: 255 or 65,535 is full. */
    push(rows: Uint8Array | Uint16Array): void {
      const count = rows.length / (width * 3);
      invariant(Number.isInteger(count), "a band holds whole rows");
      invariant(nextRow + count <= height, "no more rows than the photograph has");
      const scale = rows instanceof Uint8Array ? 1 / 255 : 1 / 65_535;
      for (let row = 0; row < count; row++) overview.add(rows, row * width * 3, scale, nextRow + row);
      for (const [index, rectangle] of rectangles.entries()) {
        copyOverlap({ rows, width, top: nextRow, count, scale }, rectangle, tiles[index]!.data);
      }
      nextRow += count;
    },
    /** The sample; every row must have been pushed. */
    finish(): PixelSample {
      invariant(nextRow === height, `${nextRow} of ${height} rows were sampled`);
      return { overview: overview.finish(), tiles };
    },
  };
}

function overviewAccumulator(width: number, height: number) {
  const wanted = Math.ceil(Math.sqrt((width * height) / overviewPixelsMax));
  const side = Math.min(width, height);
  const box = Math.min(side, Math.max(wanted, side >= overviewSideMin ? 2 : 1));
  const columns = Math.floor(width / box);
  const lines = Math.floor(height / box);
  const sums = new Float32Array(columns * lines * 3);
  return {
    add(rows: Uint8Array | Uint16Array, from: number, scale: number, y: number): void {
      const line = Math.floor(y / box);
      if (line >= lines) return;
      const share = scale / (box * box);
      let read = from;
      let write = line * columns * 3;
      for (let column = 0; column < columns; column++, write += 3) {
        let red = 0;
        let green = 0;
        let blue = 0;
        for (let step = 0; step < box; step++, read += 3) {
          red += rows[read]!;
          green += rows[read + 1]!;
          blue += rows[read + 2]!;
        }
        sums[write]! += red * share;
        sums[write + 1]! += green * share;
        sums[write + 2]! += blue * share;
      }
    },
    finish: (): Pixels => ({ width: columns, height: lines, data: sums }),
  };
}

/** The whole picture when it is small; else an even grid of square tiles, as many as the budget allows. */
function tileRectangles(width: number, height: number): Rectangle[] {
  if (width * height <= samplePixelsMax) return [{ left: 0, top: 0, width, height }];
  const tileWidth = Math.min(tilePixelsSide, width);
  const tileHeight = Math.min(tilePixelsSide, height);
  const budget = Math.floor(samplePixelsMax / (tileWidth * tileHeight));
  const columnsFit = Math.floor(width / tileWidth);
  const linesFit = Math.floor(height / tileHeight);
  const columns = Math.max(1, Math.min(columnsFit, Math.round(Math.sqrt((budget * width) / height)), budget));
  const lines = Math.max(1, Math.min(linesFit, Math.floor(budget / columns)));
  const rectangles: Rectangle[] = [];
  for (let line = 0; line < lines; line++) {
    for (let column = 0; column < columns; column++) {
      const left = Math.floor(((column + 0.5) * width) / columns - tileWidth / 2);
      const top = Math.floor(((line + 0.5) * height) / lines - tileHeight / 2);
      rectangles.push({ left, top, width: tileWidth, height: tileHeight });
    }
  }
  return rectangles;
}

function copyOverlap(
  band: { rows: Uint8Array | Uint16Array; width: number; top: number; count: number; scale: number },
  rectangle: Rectangle,
  into: Float32Array,
): void {
  const from = Math.max(band.top, rectangle.top);
  const to = Math.min(band.top + band.count, rectangle.top + rectangle.height);
  for (let y = from; y < to; y++) {
    let read = ((y - band.top) * band.width + rectangle.left) * 3;
    let write = (y - rectangle.top) * rectangle.width * 3;
    for (let step = 0; step < rectangle.width * 3; step++) into[write++] = band.rows[read++]! * band.scale;
  }
}
