import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFileBlobs } from "#shared/adapters/file-blobs.ts";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { Analysis } from "#shared/domain/analysis.ts";
import type { BlobRef } from "#shared/domain/blob.ts";
import type { Lease, Progress } from "#shared/domain/message.ts";
import { createLog } from "#shared/log.ts";
import type { Blobs } from "#shared/ports.ts";
import { createPooledWorker, type PooledWorker } from "#agent/pooled-worker.ts";
import { openFootprints } from "#agent/vram/footprint-file.ts";
import { createPageCache } from "#agent/vram/page-cache.ts";
import type { PoolEvent } from "#agent/vram/pool-event.ts";
import { residentBytesOf } from "#agent/worker/worker-device.ts";
import { createWorkerProcess, type WorkerProcess } from "#agent/worker/worker-process.ts";
import { noise, readRaster, temporaryFolder, writeRaster } from "./image/picture-fixture.ts";
import { sampleLease } from "./sample-lease.ts";

/** The real worker on a real model: the one that comes with the installed packages. */
const MODELS = fileURLToPath(new URL("../../.photokeep/models", import.meta.url));
const MODEL = "esrgan-thick";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let child: WorkerProcess;
let worker: PooledWorker;
const events: PoolEvent[] = [];
let blobs: Blobs;

beforeAll(async () => {
  folder = await temporaryFolder();
  blobs = await createFileBlobs({ root: folder.path("blobs"), entropy, fsync: false });
  const log = createLog({ level: "error", now: clock.now, write: () => undefined });
  child = createWorkerProcess({
    env: {
      PHOTOKEEP_DATA: folder.path(""),
      PHOTOKEEP_MODELS: MODELS,
      PHOTOKEEP_SCRATCH: folder.path("scratch/slot-0"),
      PHOTOKEEP_LOG_LEVEL: "error",
    },
    hasSpare: true,
    clock,
    entropy,
    log,
  });
  worker = createPooledWorker({
    process: child,
    settings: {
      policy: "lookahead",
      budgetBytes: 2 ** 31,
      reserveBytes: 2 ** 29,
      warmBytesMax: 2 ** 30,
      pinned: [],
    },
    isProcessor: true,
    memoryOf: residentBytesOf,
    pages: createPageCache(),
    footprints: await openFootprints({ path: folder.path("footprints.json"), onProblem: () => undefined }),
    clock,
    log,
    onEvent: (event) => events.push(event),
  });
});

afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function store(name: string, width: number, height: number): Promise<BlobRef> {
  const shape = { width, height, channels: 3, bits: 8 } as const;
  const path = await writeRaster(folder.path(`${name}.tif`), shape, noise(shape));
  const info = await blobs.upload(`jobs/job_1/intake/${name}.tif`, path, { contentType: "image/tiff" });
  return { ...info, width, height };
}

async function run(change: Partial<Lease>, onProgress: (progress: Progress) => void = () => undefined) {
  const live = new AbortController().signal;
  await worker.ready(live);
  return worker.run(sampleLease({ outputPrefix: "jobs/job_1/any/e1-", ...change }), onProgress, live);
}

test("a warm worker says which stages and models it has", async () => {
  const ability = await worker.ready(new AbortController().signal);
  expect(ability).toMatchObject({
    device: "cpu",
    stages: ["analyze", "repair", "denoise", "upscale", "finish"],
  });
  expect(ability.models).toEqual(expect.arrayContaining([MODEL, "blazeface"]));
});

test("a photograph goes through analyze, upscale and finish, and the time in the models is counted", async () => {
  const image = await store("whole", 40, 24);
  const analyzed = await run({ stage: "analyze", image, original: image });
  if (analyzed.type !== "done") throw new Error(JSON.stringify(analyzed));
  const analysis = Analysis.parse(analyzed.result.analysis);
  expect(analysis.facesUnknown).toBe(false);
  expect(analyzed.result.outputs).toEqual({});

  const upscaled = await run({ stage: "upscale", image, original: image, analysis, model: MODEL, scale: 4 });
  if (upscaled.type !== "done") throw new Error(JSON.stringify(upscaled));
  const { outputs, timings } = upscaled.result;
  expect(timings.modelSeconds).toBeGreaterThan(0);
  expect(timings.seconds).toBeGreaterThanOrEqual(timings.modelSeconds + timings.loadSeconds);
  const copy = folder.path("upscaled.tif");
  await blobs.download(outputs["image"]!.key, copy);
  expect((await readRaster(copy)).shape).toEqual({ width: 160, height: 96, channels: 3, bits: 16 });
  expect(worker.hot()).toContain(MODEL);

  const finished = await run({ stage: "finish", image: outputs["image"]!, original: image, analysis });
  if (finished.type !== "done") throw new Error(JSON.stringify(finished));
  expect(finished.result.outputs["image"]).toMatchObject({
    width: 160,
    height: 96,
    contentType: "image/png",
  });
});

test("a worker that is killed with -9 in the middle of a run is reported, replaced, and the run can be repeated", async () => {
  const image = await store("killed", 64, 64);
  const lease = { stage: "upscale", image, original: image, model: MODEL, scale: 4 } as const;
  const pid = child.pid()!;
  const outcome = await run(lease, ({ doing }) => {
    if (doing === "loading") process.kill(pid, "SIGKILL");
  });
  expect(outcome).toEqual({ type: "died", how: "signal SIGKILL" });
  expect(await run(lease)).toMatchObject({ type: "done" });
  expect(child.pid()).not.toBe(pid);
});

test("a raster that is none fails the stage, not the worker", async () => {
  const pid = child.pid();
  const info = await blobs.write("jobs/job_1/intake/junk.tif", Buffer.from("no raster at all"), "image/tiff");
  const image = { ...info, width: 1, height: 1 };
  expect(await run({ stage: "analyze", image, original: image })).toMatchObject({ type: "failed" });
  expect(child.pid()).toBe(pid);
});
