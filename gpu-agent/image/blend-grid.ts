import {
  fadeAcross,
  fadeDown,
  fadeWeights,
  quantise,
  quantisePlanes,
  unpackColour,
  unpackLuma,
} from "./blend-lines.ts";
import { demandTile, planePlaces, type BlendAsk, type Blender, type TileOutput } from "./blend-plan.ts";
import { rowSamples } from "./raster-shape.ts";

/**
 * Joins tiles that stand beside each other and one above the other. Held at any time: the finished rows of one tile
 * row, the fade to the next tile row (floats, full width), and the fade to the next tile (floats, one tile high).
 */
export function createGridBlender({ shape, layout, columns, rows, fades }: BlendAsk): Blender {
  const { channels } = shape;
  const weights = fadeWeights(fades.across);
  const weightsDown = fadeWeights(fades.down);
  const stride = rowSamples(shape);
  const band = new Uint16Array(stride * Math.max(...rows.map((span) => span.fade - span.from)));
  const below = new Float32Array(rows.length > 1 ? stride * fades.down : 0);
  const besideRow = fades.across * channels;
  const beside = new Float32Array(besideRow * Math.max(...rows.map((span) => span.to - span.from)));
  const line = new Float32Array(channels * Math.max(...columns.map((span) => span.to - span.from)));
  const unpack = channels === 3 ? unpackColour : unpackLuma;
  const toWord = 65_535 / layout.range;
  // Not finite exactly when some value was not: a sum of finite floats stays far within a double.
  let total = 0;

  return {
    add(tile: TileOutput, column: number, row: number): void {
      const across = columns[column]!;
      const down = rows[row]!;
      demandTile(tile, across, down);
      const touched = line.subarray(0, (across.to - across.from) * channels);
      const finished = line.subarray(0, (across.fade - across.from) * channels);
      const fading = touched.subarray(finished.length);
      const edge = line.subarray(0, (across.own - across.from) * channels);
      const left = across.from * channels;
      for (let y = down.from; y < down.to; y += 1) {
        const at = (y - down.start) * tile.width + (across.from - across.start);
        const leftTile = beside.subarray((y - down.from) * besideRow, (y - down.from + 1) * besideRow);
        const into = (y - down.from) * stride + left;
        if (channels === 3 && y >= down.own && y < down.fade) {
          // Nearly all pixels belong to one tile alone: they go from its planes to words in one pass.
          const own = band.subarray(into + edge.length, into + finished.length);
          const places = planePlaces(tile, layout, at + across.own - across.from);
          total += quantisePlanes(tile.data, own, { places, toWord });
          if (edge.length > 0) {
            unpackColour(tile.data, edge, planePlaces(tile, layout, at));
            fadeAcross(leftTile, edge, { weights, channels });
            total += quantise(edge, band.subarray(into, into + edge.length), toWord);
          }
          if (fading.length > 0) {
            unpackColour(tile.data, leftTile, planePlaces(tile, layout, at + across.fade - across.from));
          }
          continue;
        }
        unpack(tile.data, touched, planePlaces(tile, layout, at));
        if (column > 0) fadeAcross(leftTile, touched, { weights, channels });
        leftTile.set(fading);
        if (y >= down.fade) {
          below.set(finished, (y - down.fade) * stride + left);
          continue;
        }
        const above = below.subarray(into, into + finished.length);
        if (y < down.own) fadeDown(above, finished, weightsDown[y - down.from]!);
        total += quantise(finished, band.subarray(into, into + finished.length), toWord);
      }
    },
    finishedBands: (row) => [band.subarray(0, (rows[row]!.fade - rows[row]!.from) * stride)],
    isFinite: () => Number.isFinite(total),
  };
}
