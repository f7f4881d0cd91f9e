import { Fault } from "#shared/domain/fault.ts";
import type { Lease } from "#shared/domain/message.ts";
import { levelsProblem } from "../image/levels.ts";
import { withMargin, withoutMargin } from "../image/margin.ts";
import { createRaster, openRaster } from "../image/raster.ts";
import type { RasterShape, WrittenFile } from "../image/raster-shape.ts";
import { planTiles } from "../image/tile.ts";
import { runTiled } from "../image/tiled.ts";
import type { Model, StageResult, StageWork } from "./stage.ts";
import { createTileModel, planesOf, type ModelConditions } from "./tile-model.ts";

/** A model of ×4 halved reads up to one pixel beyond the pixel it makes. */
const HALVING_CONTEXT = 1;
/**
 * A model sees black beyond the edge of a picture. That does not show on a photograph, but a picture hardly wider than
 * the model's reach would come out black: narrower than this it is framed by its own reflection first.
 */
const NARROW_SIDE = 24;
/** When memory runs out: the same again with everything idle released, then with tiles of half, a quarter, an eighth. */
const OOM_STEPS = [1, 2, 4, 8] as const;

export interface TiledAsk {
  /** Enlargement of each side by this stage. */
  readonly scale: number;
  readonly conditions: ModelConditions;
}

/**
 * A stage that is one pass of the lease's model over the whole picture, tile by tile, to a picture of 16 bits. Gray
 * stays one channel.
 * @throws Fault conflict `model_invalid` when the model cannot do it or what comes out cannot be a restored version of
 * what went in; busy `memory_exhausted` after the last step; the signal's reason.
 */
export async function runTiledStage(
  work: StageWork,
  ask: TiledAsk,
  signal: AbortSignal,
): Promise<StageResult> {
  const { lease, files, models, report } = work;
  const id = modelOf(lease);
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "fetching", model: id });
  const path = await files.fetch(lease.image);
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "loading", model: id });
  await using use = await models.use(id, signal);
  const out = files.path("image.tif");
  for (const divisor of OOM_STEPS) {
    try {
      const { tiles, ...image } = await pass(work, { ...ask, model: use.model, path, out, divisor }, signal);
      report({ fraction: 1, tilesDone: tiles, tilesTotal: tiles, doing: "writing", model: id });
      const stored = await files.store("image", { path: out, contentType: "image/tiff", ...image });
      return { outputs: { image: stored }, model: id, warnings: [] };
    } catch (error) {
      const isLast = divisor === OOM_STEPS.at(-1);
      if (isLast || !(error instanceof Fault) || error.code !== "memory_exhausted") throw error;
      await models.makeRoom();
    }
  }
  throw new Error("unreachable: the last step returns or throws");
}

async function pass(
  { report }: StageWork,
  ask: TiledAsk & { model: Model; path: string; out: string; divisor: number },
  signal: AbortSignal,
): Promise<WrittenFile & { width: number; height: number; tiles: number }> {
  const { model, scale } = ask;
  const { entry } = model;
  const { context, multiple, pixelsMax, fixed, margin = 0 } = entry.tile;
  const halve = scale > 1 && entry.scale === 2 * scale;
  if (entry.scale !== scale && !halve) throw invalid(entry.id, `it enlarges ×${entry.scale}, not ×${scale}`);

  await using reader = await openRaster(ask.path);
  const { width, height, channels } = reader.shape;
  const shape: RasterShape = { width: width * scale, height: height * scale, channels, bits: 16 };
  await using writer = await createRaster(ask.out, shape);
  const reach = context + margin + (halve ? HALVING_CONTEXT : 0);
  const frame = Math.min(width, height) < NARROW_SIDE ? reach : 0;
  const plan = planTiles({
    width: width + 2 * frame,
    height: height + 2 * frame,
    context: reach,
    multiple,
    tilePixelsMax: fixed === undefined ? Math.floor(pixelsMax / ask.divisor) : pixelsMax,
    ...(fixed === undefined ? {} : { fixed }),
  });
  // One tile may take seconds: say that it runs before the first one is done.
  report({ fraction: 0, tilesDone: 0, tilesTotal: plan.tiles, doing: "running", model: entry.id });
  const levels = await runTiled({
    reader: frame === 0 ? reader : withMargin(reader, frame),
    writer: frame === 0 ? writer : withoutMargin(writer, frame * scale),
    plan,
    run: createTileModel(model, ask.conditions),
    scale: entry.scale,
    halve,
    input: planesOf(model),
    onTile: (done, total) =>
      report({
        fraction: done / total,
        tilesDone: done,
        tilesTotal: total,
        doing: "running",
        model: entry.id,
      }),
    signal,
  });
  const problem = levelsProblem(levels);
  if (problem !== undefined) throw invalid(entry.id, `the picture came out ${problem}`);
  return { ...(await writer.finish()), width: shape.width, height: shape.height, tiles: plan.tiles };
}

function modelOf(lease: Lease): string {
  if (lease.model !== undefined) return lease.model;
  throw new Fault("missing", "model_missing", `The plan names no model for the stage ${lease.stage}.`);
}

function invalid(id: string, why: string): Fault {
  return new Fault("conflict", "model_invalid", `The model ${id} did not do its work: ${why}.`);
}
