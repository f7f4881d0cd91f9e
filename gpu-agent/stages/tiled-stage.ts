import { Fault, invariant } from "#shared/domain/fault.ts";
import type { Lease } from "#shared/domain/message.ts";
import { levelsProblem } from "../image/levels.ts";
import { withMargin, withoutMargin } from "../image/margin.ts";
import { createRaster, openRaster } from "../image/raster.ts";
import type { RasterShape, WrittenFile } from "../image/raster-shape.ts";
import { planTiles } from "../image/tile.ts";
import { plainLayout } from "../image/tensor.ts";
import { runTiled } from "../image/tiled.ts";
import { createMaskModel } from "./mask-model.ts";
import type { ModelUse, StageResult, StageWork } from "./stage.ts";
import { createTileModel, planesOf, type ModelConditions } from "./tile-model.ts";

/** A model of ×4 halved reads up to one pixel beyond the pixel it makes. */
const HALVING_CONTEXT = 1;
/**
 * A model sees black beyond the edge of a picture. That does not show on a photograph, but a picture hardly wider than
 * the model's reach would come out black: narrower than this it is framed by its own reflection first.
 */
const NARROW_SIDE = 24;
interface TiledAsk {
  /** Enlargement of each side. */
  readonly scale: number;
  readonly conditions: ModelConditions;
}

/** One pass of a model over a whole picture, from file to file. */
interface ModelPass extends TiledAsk {
  readonly model: string;
  readonly path: string;
  /** Where the answer is written, at 16 bits. */
  readonly out: string;
  /** A picture of the channels that went in; or, of a model that finds something, a gray one: where it is. */
  readonly answer: "picture" | "mask";
  /** From and to which fraction of the stage this pass brings it. */
  readonly share: readonly [number, number];
}

/** A picture that was written, and by how many tiles. */
interface PassResult extends WrittenFile {
  readonly width: number;
  readonly height: number;
  readonly tiles: number;
}

/** One of the passes that a stage makes over its picture. */
interface StagePass extends TiledAsk {
  readonly model: string;
  /** How much of the stage it is, beside the others; 1 by default. */
  readonly weight?: number;
}

/**
 * A stage that is passes of models over the whole picture, each over what the one before has written, tile by tile, to a
 * picture of 16 bits. Gray stays one channel. What lies between them stays in the run's scratch folder.
 * @param passes one at least; the last one's model is the stage's.
 * @throws Fault as {@link runModelPass}.
 */
export async function runPasses(
  work: StageWork,
  passes: readonly StagePass[],
  signal: AbortSignal,
): Promise<StageResult> {
  const { lease, files, report } = work;
  const last = passes.at(-1);
  invariant(last !== undefined, "a stage makes a pass");
  const { model } = last;
  report({ fraction: 0, tilesDone: 0, tilesTotal: 0, doing: "fetching", model });
  let path = await files.fetch(lease.image);
  let written: PassResult | undefined;
  const total = passes.reduce((sum, { weight = 1 }) => sum + weight, 0);
  let done = 0;
  for (const [index, { weight = 1, ...pass }] of passes.entries()) {
    const out = files.path(`pass-${index}.tif`);
    const share = [done / total, (done + weight) / total] as const;
    written = await runModelPass(work, { ...pass, path, out, answer: "picture", share }, signal);
    path = out;
    done += weight;
  }
  invariant(written !== undefined, "the passes have run");
  const { tiles, ...image } = written;
  report({ fraction: 1, tilesDone: tiles, tilesTotal: tiles, doing: "writing", model });
  const stored = await files.store("image", { path, contentType: "image/tiff", ...image });
  return { outputs: { image: stored }, model, warnings: [] };
}

/**
 * Loads a model and runs it over a picture, in smaller tiles where memory runs out.
 * @throws Fault conflict `model_invalid` when the model cannot do it or what comes out cannot be a restored version of
 * what went in; busy `memory_exhausted` after the last step; the signal's reason.
 */
export async function runModelPass(
  work: StageWork,
  ask: ModelPass,
  signal: AbortSignal,
): Promise<PassResult> {
  const { models, report } = work;
  report({ fraction: ask.share[0], tilesDone: 0, tilesTotal: 0, doing: "loading", model: ask.model });
  await using use = await models.use(ask.model, signal);
  for (;;) {
    // Ends by itself: `lackMemory` has a last step.
    const result = await pass(work, { ...ask, use }, signal);
    if (result !== undefined) return result;
  }
}

/** Answers undefined when memory ran out and something has been done about it. */
async function pass(
  { report }: StageWork,
  ask: ModelPass & { use: ModelUse },
  signal: AbortSignal,
): Promise<PassResult | undefined> {
  const { scale, answer, share } = ask;
  const { model, tilePixels } = ask.use;
  const { entry } = model;
  const { context, multiple, pixelsMax, fixed, margin = 0 } = entry.tile;
  const halve = scale > 1 && entry.scale === 2 * scale;
  if (entry.scale !== scale && !halve) throw invalid(entry.id, `it enlarges ×${entry.scale}, not ×${scale}`);

  await using reader = await openRaster(ask.path);
  const { width, height } = reader.shape;
  const channels = answer === "mask" ? 1 : reader.shape.channels;
  const shape: RasterShape = { width: width * scale, height: height * scale, channels, bits: 16 };
  await using writer = await createRaster(ask.out, shape);
  const reach = context + margin + (halve ? HALVING_CONTEXT : 0);
  const frame = Math.min(width, height) < NARROW_SIDE ? reach : 0;
  const plan = planTiles({
    width: width + 2 * frame,
    height: height + 2 * frame,
    context: reach,
    multiple,
    tilePixelsMax: fixed === undefined ? Math.min(pixelsMax, tilePixels) : pixelsMax,
    ...(fixed === undefined ? {} : { fixed }),
  });
  const tell = (done: number): void =>
    report({
      fraction: within(share, done / plan.tiles),
      tilesDone: done,
      tilesTotal: plan.tiles,
      doing: "running",
      model: entry.id,
    });
  // One tile may take seconds: say that it runs before the first one is done.
  tell(0);
  const running = runTiled({
    reader: frame === 0 ? reader : withMargin(reader, frame),
    writer: frame === 0 ? writer : withoutMargin(writer, frame * scale),
    plan,
    run: answer === "mask" ? createMaskModel(model) : createTileModel(model, ask.conditions),
    scale: entry.scale,
    halve,
    input: planesOf(model),
    ...(answer === "mask" ? { output: plainLayout } : {}),
    onTile: tell,
    signal,
  });
  const levels = await running.catch(async (error: unknown) => {
    if (!(error instanceof Fault) || error.code !== "memory_exhausted") throw error;
    await ask.use.lackMemory(plan.x.tile * plan.y.tile, signal);
  });
  if (levels === undefined) return undefined;
  const problem = answer === "mask" ? undefined : levelsProblem(levels, ask.conditions.sigma);
  if (problem !== undefined) throw invalid(entry.id, `the picture came out ${problem}`);
  return { ...(await writer.finish()), width: shape.width, height: shape.height, tiles: plan.tiles };
}

/** From the first to the second as `done` goes from 0 to 1, never beyond either, whatever the rounding. */
export function within([from, to]: readonly [number, number], done: number): number {
  return from * (1 - done) + to * done;
}

/** The model that the plan names. @throws Fault missing `model_missing`. */
export function modelOf(lease: Lease): string {
  if (lease.model !== undefined) return lease.model;
  throw new Fault("missing", "model_missing", `The plan names no model for the stage ${lease.stage}.`);
}

function invalid(id: string, why: string): Fault {
  return new Fault("conflict", "model_invalid", `The model ${id} did not do its work: ${why}.`);
}
