/**
 * `npm run bench:memory`: how much memory a job takes in the whole system, by the size of the photograph. Jobs go the
 * real way (API, upload, quarantine, analyze, upscale, finish, download) through the real processes; only the model is
 * a stand-in, as hungry as esrgan-thick and quick. Writes the curve to docs/memory.md and docs/memory.svg.
 * Keys of the last line: peak_mb_1mp, peak_mb_4mp, peak_mb_12mp, peak_mb_24mp (×2), peak_mb_12mp_x4, peak_mb_100mp_x1
 * (the largest of a baseline JPEG and of progressive ones with chroma halved and not). Linux only.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createBenchClient, type BenchClient } from "./bench-client.ts";
import { secondsOf } from "./bench-stack.ts";
import { memoryPage, memoryPlot, jobName, type MemoryJob, type MemoryRow } from "./memory-page.ts";
import { makeLargePhotograph } from "./memory-photograph.ts";
import { startMemorySampler, type MemorySample, type MemorySampler } from "./memory-sampler.ts";
import { makePhotograph, type Photograph } from "./photograph.ts";
import { encodeStandIn } from "./stand-in-onnx.ts";
import { STAND_IN_FILE } from "./stand-in-place.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import { choosePlaces } from "#local/places.ts";
import { prepareModels } from "#local/prepare-models.ts";

const HELP = `Usage: npm run bench:memory -- [options]

  --only KEY,…  these jobs alone, by their keys (12mp_x4, 100mp_x1, …); docs/ is then left as it is
`;
const JOBS: readonly MemoryJob[] = [
  { key: "1mp", megapixels: 1, scale: 2 },
  { key: "4mp", megapixels: 4, scale: 2 },
  { key: "12mp", megapixels: 12, scale: 2 },
  { key: "24mp", megapixels: 24, scale: 2 },
  { key: "12mp_x4", megapixels: 12, scale: 4 },
  { key: "100mp_x1", megapixels: 100, scale: 1, jpeg: "baseline" },
  { key: "100mp_x1", megapixels: 100, scale: 1, jpeg: "progressive" },
  { key: "100mp_x1", megapixels: 100, scale: 1, jpeg: "progressive 4:4:4" },
];
const SEED = 1;
/** After a job, until what it took has been given back. */
const SETTLE_MS = 2_000;
const STACK = fileURLToPath(new URL("./stand-in-stack.ts", import.meta.url));
const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Runs one job; what is held meanwhile is told apart by what the job was doing. */
async function measure(
  job: MemoryJob,
  { client, sampler, doing }: { client: BenchClient; sampler: MemorySampler; doing: Doing },
): Promise<MemoryRow> {
  const photo = await photographOf(job);
  doing.begin();
  // Without weights 100 megapixels of grain take many minutes, in tiles as small as any.
  const denoise = job.megapixels < 100 && "auto";
  const done = await client.restore(
    photo.bytes,
    { operations: { upscale: job.scale, denoise } },
    "image/jpeg",
  );
  doing.enter("download");
  await drain(done.output?.url ?? "");
  const stages = doing.end();
  if (done.output?.width !== photo.width * job.scale)
    throw new Error(`a result of ${done.output?.width} pixels`);
  const [, peak] = [...stages].reduce((most, each) => (each[1].own > most[1].own ? each : most));
  const row = { job, seconds: secondsOf(done).wall, peak, stages };
  await sleep(SETTLE_MS);
  const idle = sampler.now();
  sampler.takePeak();
  return { ...row, idle };
}

async function photographOf({ megapixels, jpeg }: MemoryJob): Promise<Photograph> {
  if (jpeg === undefined) return await makePhotograph(megapixels, SEED);
  return await makeLargePhotograph({
    megapixels,
    seed: SEED,
    isProgressive: jpeg !== "baseline",
    isChromaHalved: jpeg !== "progressive 4:4:4",
    scratch: work,
  });
}

interface Doing {
  readonly begin: () => void;
  readonly enter: (stage: string) => void;
  readonly end: () => Map<string, MemorySample>;
}

/** The peak of each stage, in their order. */
function createDoing(sampler: MemorySampler): Doing {
  let stages = new Map<string, MemorySample>();
  let current = "intake";
  const close = (): void => {
    const peak = sampler.takePeak();
    const before = stages.get(current);
    if (before === undefined || peak.own > before.own) stages.set(current, peak);
  };
  return {
    begin() {
      sampler.takePeak();
      stages = new Map();
      current = "intake";
    },
    enter(stage) {
      if (stage === current) return;
      close();
      current = stage;
    },
    end() {
      close();
      return stages;
    },
  };
}

/** Downloads without keeping anything. */
async function drain(url: string): Promise<void> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`download: ${response.status}`);
  await response.body.pipeTo(new WritableStream());
}

function report(row: MemoryRow): void {
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);
  const stages = [...row.stages].map(([kind, { own }]) => `${kind} ${mb(own)}`).join(", ");
  const programs = ({ byProgram }: MemorySample): string =>
    [...byProgram].map(([name, own]) => `${name} ${mb(own)}`).join(", ");
  say(
    `${jobName(row.job).padStart(20)} ${mb(row.peak.own).padStart(22)} ${mb(row.peak.mapped).padStart(16)} ` +
      `${mb(row.idle.own).padStart(14)} ${row.seconds.toFixed(1).padStart(8)}   ${stages}; at the peak: ` +
      `${programs(row.peak)}; afterwards: ${programs(row.idle)}`,
  );
}

/** The largest peak of the jobs of each key, in MB. */
function figures(rows: readonly MemoryRow[]): Record<string, number> {
  const peaks: Record<string, number> = {};
  for (const { job, peak } of rows) {
    const key = `peak_mb_${job.key}`;
    peaks[key] = Math.max(peaks[key] ?? 0, Math.round(peak.own / 1e6));
  }
  return peaks;
}

const { values } = parseArgs({ options: { only: { type: "string" }, help: { type: "boolean" } } });
if (values.help === true) {
  process.stdout.write(HELP);
  process.exit(0);
}
const only = values.only?.split(",");
const jobs = JOBS.filter(({ key }) => only?.includes(key) ?? true);

const work = await mkdtemp(join(tmpdir(), "photokeep-memory-"));
const data = join(work, "data");
const standIn = join(work, "model");
await mkdir(standIn);
await writeFile(join(standIn, STAND_IN_FILE), encodeStandIn());
await prepareModels(choosePlaces({ data, models: "none", cwd: process.cwd() }), say);
const stack = fork(STACK, [data, standIn], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
try {
  const [{ url }] = (await Promise.race([
    once(stack, "message"),
    once(stack, "exit").then(() => Promise.reject(new Error("the stack ended before it was ready"))),
  ])) as [{ url: string }];
  using sampler = startMemorySampler(stack.pid ?? 0);
  const doing = createDoing(sampler);
  const client = createBenchClient(url, ({ stages }: Restoration) => {
    const running = stages.find(({ status }) => status === "running");
    if (running !== undefined) doing.enter(running.kind);
  });
  await sleep(SETTLE_MS);
  say(`idle at start: ${(sampler.now().own / 1e6).toFixed(0)} MB`);
  say("                 job  peak anon+shared, MB  mapped file, MB  idle after, MB  seconds   MB by stage");
  const rows: MemoryRow[] = [];
  for (const job of jobs) {
    const row = await measure(job, { client, sampler, doing });
    report(row);
    rows.push(row);
  }
  say(`bound from above, by the kernel's high-water marks of all: ${(sampler.bound() / 1e6).toFixed(0)} MB`);
  if (only === undefined) {
    await writeFile(join(DOCS, "memory.svg"), memoryPlot(rows));
    await writeFile(join(DOCS, "memory.md"), memoryPage(rows, sampler.bound()));
  }
  say(JSON.stringify(figures(rows)));
} finally {
  if (stack.exitCode === null && stack.signalCode === null) {
    stack.kill("SIGTERM");
    await once(stack, "exit");
  }
  await rm(work, { recursive: true, force: true });
}
