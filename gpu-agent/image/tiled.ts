import { invariant } from "#shared/domain/fault.ts";
import { createBlender } from "./blend.ts";
import type { TileOutput } from "./blend-plan.ts";
import { halvePlanes } from "./halve.ts";
import { addLevels, levelsOf, noLevels, type ModelLevels } from "./levels.ts";
import { allocateRows, type RowSink, type RowSource } from "./raster-shape.ts";
import { packPlanes, plainLayout, type PlaneLayout } from "./tensor.ts";
import type { TilePlan } from "./tile.ts";

/**
 * A model: takes three planes of `width` × `height` (NCHW, N = 1) and answers three planes, each side `scale` times
 * as long. The input buffer is reused for the next tile once the promise has resolved.
 */
export type TileModel = (
  input: Float32Array,
  size: { width: number; height: number },
) => Promise<Float32Array>;

/** One pass of a model over a whole picture. */
export interface TiledPass {
  /** Gray or RGB, 8 or 16 bits. */
  reader: RowSource;
  /** Gray or RGB at 16 bits, `scale` times the reader's size, or half of that with `halve`. */
  writer: RowSink;
  plan: TilePlan;
  run: TileModel;
  /** How much the model enlarges. */
  scale: number;
  /**
   * Halves what the model answers (a ×4 model for a ×2 result), tile by tile, by the antialiased bicubic. That reads
   * up to one input pixel (at ×4) beyond the pixel it makes: plan with that much more context.
   */
  halve?: boolean;
  /** What the model takes; RGB, 0..1 by default. */
  input?: PlaneLayout;
  /** What the model answers; as `input` by default. */
  output?: PlaneLayout;
  /** After each tile: how many are done, of how many, and the levels so far, for `levelsProblem`. May throw to stop. */
  onTile?: (done: number, total: number, levels: ModelLevels) => void;
  /** Obeyed between tiles: rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The model answered something that is not a picture. Not the user's doing: the caller retries otherwise or falls back. */
export class ModelOutputError extends Error {
  override readonly name = "ModelOutputError";
  readonly code = "model_invalid";
}

/**
 * Runs a model over a picture of any size, tile row by tile row, and writes rows as soon as they are finished: held
 * at any time are the rows one tile row reads, one tile in and out, and the rows it finishes. A model of scale 1 that
 * changes nothing leaves every 16-bit sample as it was; where the plan's context covers what the model sees, the
 * result equals the model run once over the whole picture.
 *
 * Throws {@link ModelOutputError} when an answer has the wrong size or holds a value in the picture that is not finite, and the
 * signal's reason. The writer is left unfinished either way.
 */
export async function runTiled(pass: TiledPass): Promise<ModelLevels> {
  const { reader, writer, plan, run, scale, halve = false, input: into = plainLayout, onTile, signal } = pass;
  const from = pass.output ?? into;
  const { shape } = reader;
  invariant(shape.width === plan.x.length && shape.height === plan.y.length, "the plan is for this picture");
  const tile = { width: plan.x.tile, height: plan.y.tile };
  const blender = createBlender({ plan, scale: halve ? scale / 2 : scale }, writer.shape, from);
  const bandRows = Math.min(tile.height, shape.height);
  const band = allocateRows(shape, bandRows);
  const tensor = new Float32Array(3 * tile.width * tile.height);
  const sumsIn = noLevels();
  const sumsOut = noLevels();
  const levels = (): ModelLevels => ({ input: levelsOf(sumsIn), output: levelsOf(sumsOut) });
  let done = 0;
  const demandFinite = (): void => {
    if (blender.isFinite()) return;
    throw new ModelOutputError(`by tile ${done} of ${plan.tiles} values came out that are not finite`);
  };

  for (const [row, y] of plan.y.starts.entries()) {
    const rows = await reader.readRows(y, bandRows, band);
    for (const [column, x] of plan.x.starts.entries()) {
      signal?.throwIfAborted();
      packPlanes({ shape, rows, firstRow: y, x, y, ...tile }, tensor, into);
      addLevels(sumsIn, tensor, into.range);
      const answer = await run(tensor, tile);
      if (answer.length !== tensor.length * scale * scale) {
        throw new ModelOutputError(
          `the model answered ${answer.length} values for a tile of ${tensor.length}`,
        );
      }
      addLevels(sumsOut, answer, from.range);
      const whole: TileOutput = { data: answer, width: tile.width * scale, height: tile.height * scale };
      // Cut before halving, so that a pixel at the picture's edge sees that edge and not the padding.
      blender.add(halve ? halveTile(whole, shape, scale) : whole, column, row);
      done += 1;
      demandFinite();
      onTile?.(done, plan.tiles, levels());
    }
    for (const finished of blender.finishedBands(row)) await writer.writeRows(finished);
    demandFinite();
  }
  return levels();
}

function halveTile(
  { data, width, height }: TileOutput,
  picture: { width: number; height: number },
  scale: number,
): TileOutput {
  const region = {
    width: Math.min(width, picture.width * scale),
    height: Math.min(height, picture.height * scale),
  };
  return {
    data: halvePlanes({ data, planes: 3, planeWidth: width, planeHeight: height, ...region }),
    width: region.width / 2,
    height: region.height / 2,
  };
}
