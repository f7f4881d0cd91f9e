import { findModel } from "#shared/domain/catalogue.ts";
import type { BlobRef } from "#shared/domain/blob.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Lease, Progress } from "#shared/domain/message.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { Options } from "#shared/domain/options.ts";
import { STAGE_KINDS } from "#shared/domain/stage.ts";
import { createFileBlobs } from "#shared/adapters/file-blobs.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { createLog } from "#shared/log.ts";
import type { Blobs } from "#shared/ports.ts";
import type { RasterShape, Samples } from "#agent/image/raster-shape.ts";
import type { FeedTensor, Model, StageRunner } from "#agent/stages/stage.ts";
import type { MeteredModels } from "#agent/worker/models.ts";
import { runStage, type RunDoors } from "#agent/worker/run-stage.ts";
import { readRaster, temporaryFolder, writeRaster } from "./image/picture-fixture.ts";
import { sampleLease } from "./sample-lease.ts";

type Inference = (feed: FeedTensor, feeds: Readonly<Record<string, FeedTensor>>) => Float32Array;

/** An entry of the catalogue, changed where a test needs it. */
export function entryOf(id: string, change: Partial<ModelEntry> = {}): ModelEntry {
  const entry = findModel(id);
  if (entry === undefined) throw new Error(`no model ${id}`);
  return { ...entry, ...change };
}

/** A model that is computed by the test. */
export function fakeModel(entry: ModelEntry, infer: Inference): Model {
  return {
    entry,
    imageInput: "input",
    imageOutput: "output",
    async run(feeds) {
      const feed = feeds["input"];
      if (feed === undefined) throw new Error("no image went in");
      return { output: infer(feed, feeds) };
    },
  };
}

/** Every pixel `scale` times in each direction; `margin` pixels on every side are looked at and left out. */
export function nearest(scale: number, margin = 0): Inference {
  return ({ data, dims }) => {
    const [, channels = 0, height = 0, width = 0] = dims;
    const inner = { width: width - 2 * margin, height: height - 2 * margin };
    const out = new Float32Array(channels * inner.width * inner.height * scale * scale);
    let at = 0;
    for (let c = 0; c < channels; c += 1)
      for (let y = 0; y < inner.height * scale; y += 1)
        for (let x = 0; x < inner.width * scale; x += 1) {
          const row = Math.floor(y / scale) + margin;
          out[at++] = data[(c * height + row) * width + Math.floor(x / scale) + margin] ?? Number.NaN;
        }
    return out;
  };
}

export interface Bench extends AsyncDisposable {
  readonly blobs: Blobs;
  readonly progress: Progress[];
  readonly logged: string[];
  readonly scratch: string;
  path(name: string): string;
  /** Stores a picture as intake leaves it. */
  picture(name: string, shape: RasterShape, samples: Samples): Promise<BlobRef>;
  run(
    stage: StageRunner,
    change: Partial<Lease>,
    options?: { models?: readonly Model[]; blobs?: Blobs; signal?: AbortSignal },
  ): ReturnType<typeof runStage>;
  /** The stored raster of an output. */
  raster(blob: BlobRef | undefined): Promise<{ shape: RasterShape; samples: Samples }>;
  /** A local copy of a stored object. */
  file(blob: BlobRef | undefined): Promise<string>;
}

/** Everything a stage needs, in a folder that goes away. */
export async function openBench(): Promise<Bench> {
  const folder = await temporaryFolder();
  const blobs = await createFileBlobs({ root: folder.path("blobs"), entropy, fsync: false });
  const progress: Progress[] = [];
  const logged: string[] = [];
  let copies = 0;

  const bench: Bench = {
    blobs,
    progress,
    logged,
    scratch: folder.path("scratch"),
    path: folder.path,
    async picture(name, shape, samples) {
      const path = await writeRaster(folder.path(`${name}.tif`), shape, samples);
      const info = await blobs.upload(`jobs/job_1/intake/${name}.tif`, path, { contentType: "image/tiff" });
      return { ...info, width: shape.width, height: shape.height };
    },
    run(stage, change, { models = [], blobs: own = blobs, signal = new AbortController().signal } = {}) {
      const doors: RunDoors = {
        blobs: own,
        scratch: bench.scratch,
        stages: Object.fromEntries(STAGE_KINDS.map((kind) => [kind, { run: stage }])),
        meterModels: () => fakeModels(models),
        entropy,
        now: () => performance.now(),
        log: createLog({ level: "debug", now: () => 0, write: (line) => logged.push(line) }),
      };
      return runStage(doors, { lease: sampleLease(change), report: (each) => progress.push(each) }, signal);
    },
    raster: async (blob) => readRaster(await bench.file(blob)),
    async file(blob) {
      if (blob === undefined) throw new Error("there is no such output");
      const path = folder.path(`copy-${(copies += 1)}`);
      await blobs.download(blob.key, path);
      return path;
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  return bench;
}

function fakeModels(models: readonly Model[]): MeteredModels {
  return {
    ids: models.map(({ entry }) => entry.id),
    spent: { runMs: 0, loadMs: 0 },
    async use(id) {
      const model = models.find(({ entry }) => entry.id === id);
      if (model === undefined) throw new Fault("missing", "model_missing", `The model ${id} is not here.`);
      let tilePixels = model.entry.tile.pixelsMax;
      let tries = 0;
      return {
        model,
        get tilePixels() {
          return tilePixels;
        },
        // A ladder of smaller tiles, three at most.
        async lackMemory(lacking) {
          tries += 1;
          if (tries > 3) throw new Fault("busy", "memory_exhausted", `There is no memory for ${id}.`);
          tilePixels = Math.max(Math.floor(lacking / 2), Math.floor(model.entry.tile.pixelsMax / 8));
        },
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
  };
}

export function optionsOf(change: Parameters<typeof Options.parse>[0]): Options {
  return Options.parse(change);
}
