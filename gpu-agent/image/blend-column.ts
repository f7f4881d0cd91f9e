import { invariant } from "#shared/domain/fault.ts";
import { fadeDown, fadeWeights, quantise, quantisePlanes, unpackColour, unpackLuma } from "./blend-lines.ts";
import { demandTile, planePlaces, type BlendAsk, type Blender, type TileOutput } from "./blend-plan.ts";
import { rowSamples, rowsWithin } from "./raster-shape.ts";

/** Finished rows leave in bands of about this size. */
const bandBytes = 1 << 20;

/**
 * Joins tiles as wide as the picture. Rows are made from the tile itself as they are asked for, so that no copy of a
 * whole tile is ever held: one band, and the fade to the next tile (floats, full width).
 */
export function createColumnBlender({ shape, layout, columns, rows, fades }: BlendAsk): Blender {
  const [across] = columns;
  invariant(across !== undefined && columns.length === 1, "tiles are as wide as the picture");
  const stride = rowSamples(shape);
  const weights = fadeWeights(fades.down);
  const bandRows = rowsWithin(shape, bandBytes);
  const band = new Uint16Array(stride * bandRows);
  const below = new Float32Array(rows.length > 1 ? stride * fades.down : 0);
  const line = new Float32Array(stride);
  const unpack = shape.channels === 3 ? unpackColour : unpackLuma;
  const toWord = 65_535 / layout.range;
  let tile: TileOutput | undefined;
  // Not finite exactly when some value was not: a sum of finite floats stays far within a double.
  let total = 0;

  return {
    add(added, _column, row): void {
      demandTile(added, across, rows[row]!);
      tile = added;
    },
    *finishedBands(row) {
      invariant(tile !== undefined, "a tile is added before its rows are taken");
      const { data, width } = tile;
      const down = rows[row]!;
      for (let y = down.from, filled = 0; y < down.fade; y += 1) {
        const into = band.subarray(filled, filled + stride);
        const places = planePlaces(tile, layout, (y - down.start) * width);
        if (shape.channels === 3 && y >= down.own) {
          total += quantisePlanes(data, into, { places, toWord });
        } else {
          unpack(data, line, places);
          const above = (y - down.from) * stride;
          if (y < down.own) fadeDown(below.subarray(above, above + stride), line, weights[y - down.from]!);
          total += quantise(line, into, toWord);
        }
        filled += stride;
        if (filled < band.length && y + 1 < down.fade) continue;
        yield band.subarray(0, filled);
        filled = 0;
      }
      for (let y = down.fade; y < down.to; y += 1) {
        const kept = below.subarray((y - down.fade) * stride, (y - down.fade + 1) * stride);
        unpack(data, kept, planePlaces(tile, layout, (y - down.start) * width));
      }
      tile = undefined;
    },
    isFinite: () => Number.isFinite(total),
  };
}
