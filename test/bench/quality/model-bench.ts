import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { prepareModels } from "#local/prepare-models.ts";
import { choosePlaces } from "#local/places.ts";
import { createLog } from "#shared/log.ts";
import type { Analysis } from "#shared/domain/analysis.ts";
import type { BlobRef } from "#shared/domain/blob.ts";
import { findModel } from "#shared/domain/catalogue.ts";
import { invariant, type Fault } from "#shared/domain/fault.ts";
import type { Lease } from "#shared/domain/message.ts";
import { LicenceClass } from "#shared/domain/model.ts";
import { createRaster, openRaster } from "#agent/image/raster.ts";
import { toByte, type RasterShape, type Samples } from "#agent/image/raster-shape.ts";
import { analyze } from "#agent/stages/analyze.ts";
import type { Model, StageFiles, StageResult, StageRunner } from "#agent/stages/stage.ts";
import type { ModelConditions } from "#agent/stages/tile-model.ts";
import { runPasses } from "#agent/stages/tiled-stage.ts";
import { createPageCache } from "#agent/vram/page-cache.ts";
import { createModels } from "#agent/worker/models.ts";
import { openModelSource } from "#agent/worker/model-source.ts";
import type { UseEvent } from "#agent/worker/protocol.ts";
import { sampleLease } from "../../gpu-agent/sample-lease.ts";
import { asColour, type MemoryPicture } from "../../measures/memory-picture.ts";

/** Models run alone, in this process, by the code that the stages run them with. */
export interface ModelBench extends AsyncDisposable {
  /** Ids of the catalogue that are here, whatever their licence: nothing is served. */
  readonly ids: readonly string[];
  analyse(picture: MemoryPicture): Promise<Analysis>;
  /**
   * One tiled pass of a model that makes a picture of a picture.
   * @param ask.scale the result's; half of the model's own is made of it by halving.
   * @param ask.conditions for models that want them.
   */
  pass(
    picture: MemoryPicture,
    ask: { model: string; scale: number; conditions?: ModelConditions },
  ): Promise<MemoryPicture>;
  use(id: string): Promise<{ readonly model: Model } & AsyncDisposable>;
}

const never = new AbortController().signal;

/** @param models as `--models` of the command line; "none": the npm weights alone. */
export async function openModelBench(models: string | undefined): Promise<ModelBench> {
  const folder = await mkdtemp(join(tmpdir(), "photokeep-quality-"));
  const places = choosePlaces({ data: folder, models, cwd: process.cwd() });
  await prepareModels(places, (line) => process.stderr.write(`${line}\n`));
  const log = createLog({ level: "warn", now: Date.now, write: (line) => process.stderr.write(line) });
  const source = await openModelSource({
    dir: places.modelsDir,
    extraDirs: places.extraModelDirs,
    licences: LicenceClass.options,
    log,
  });
  // One model at a time, and no pool: the one before is released when another is wanted.
  let open: string | undefined;
  const serve = async (event: UseEvent): Promise<void> => {
    if (event.type !== "take") return;
    const { use, model } = event;
    try {
      if (open !== undefined && open !== model) await pool.obey({ type: "release", model: open });
      if (open !== model) await pool.obey({ type: "open", model });
      open = model;
      pool.granted({ use, tilePixels: findModel(model)!.tile.pixelsMax, isOnProcessor: false });
    } catch (error) {
      open = undefined;
      pool.denied(use, error as Fault);
    }
  };
  const pool = createModels({
    source,
    pages: createPageCache(),
    session: { threads: availableParallelism(), provider: "cpu" },
    now: () => performance.now(),
    tell: (event) => void serve(event),
  });
  const run = async (
    stage: StageRunner,
    picture: MemoryPicture,
    change: Partial<Lease>,
  ): Promise<StageResult> => {
    const image = await writePicture(join(folder, "in.tif"), picture);
    const lease = sampleLease({ ...change, image, original: image });
    const models = pool.meter();
    return await stage({ lease, files: filesIn(folder), models, report: () => undefined }, never);
  };

  return {
    ids: source.ids,
    async analyse(picture) {
      const { analysis } = await run(analyze, picture, { stage: "analyze" });
      invariant(analysis !== undefined, "the analysis answers one");
      return analysis;
    },
    async pass(picture, { model, scale, conditions = {} }) {
      const stage: StageRunner = (work, signal) => runPasses(work, [{ model, scale, conditions }], signal);
      const { outputs } = await run(stage, picture, { model });
      const image = outputs["image"];
      invariant(image !== undefined, `${model} answers a picture`);
      return await readRasterPicture(image.key);
    },
    use: (id) => pool.meter().use(id, never),
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Models of these tasks that are among `ids`, in the order of the catalogue's ids. */
export function ofTasks(ids: readonly string[], tasks: readonly string[]): string[] {
  return ids.filter((id) => tasks.includes(findModel(id)?.task ?? "")).toSorted();
}

/** Blobs are files here: a key is a path. */
function filesIn(folder: string): StageFiles {
  return {
    path: (name) => join(folder, name),
    fetch: (blob) => Promise.resolve(blob.key),
    store: (_name, { path, contentType, width, height }) =>
      Promise.resolve({ key: path, sha256: "0".repeat(64), bytes: 1, contentType, width, height }),
  };
}

async function writePicture(path: string, picture: MemoryPicture): Promise<BlobRef> {
  const { width, height, data } = asColour(picture);
  const shape: RasterShape = { width, height, channels: 3, bits: data.BYTES_PER_ELEMENT === 1 ? 8 : 16 };
  await using raster = await createRaster(path, shape);
  await raster.writeRows(data as Samples);
  const { sha256, bytes } = await raster.finish();
  return { key: path, sha256, bytes, contentType: "image/tiff", width, height };
}

/** At 8 bits, as the product writes its results. */
async function readRasterPicture(path: string): Promise<MemoryPicture> {
  await using raster = await openRaster(path);
  const { width, height } = raster.shape;
  invariant(raster.shape.channels === 3, "colour went in");
  const samples = await raster.readRows(0, height);
  return { data: Uint8Array.from(samples, toByte), width, height, channels: 3 };
}
