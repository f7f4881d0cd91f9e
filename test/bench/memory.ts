/**
 * `npm run bench:memory`: how much memory a job takes in the whole system, by the size of the photograph. Jobs go the
 * real way (API, upload, quarantine, analyze, upscale ×2, finish, download) through the real processes; only the model
 * is a stand-in, as hungry as esrgan-thick and quick. Writes the curve to docs/memory.md and docs/memory.svg.
 * Keys of the last line: peak_mb_1mp, peak_mb_4mp, peak_mb_12mp, peak_mb_24mp. Linux only.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createBenchClient, type BenchClient } from "./bench-client.ts";
import { secondsOf } from "./bench-stack.ts";
import { memoryPage, memoryPlot, type MemoryRow } from "./memory-page.ts";
import { startMemorySampler, type MemorySample, type MemorySampler } from "./memory-sampler.ts";
import { makePhotograph, type Photograph } from "./photograph.ts";
import { encodeStandIn } from "./stand-in-onnx.ts";
import { STAND_IN_FILE } from "./stand-in-place.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import { choosePlaces } from "#local/places.ts";
import { prepareModels } from "#local/prepare-models.ts";

const MEGAPIXELS = [1, 4, 12, 24] as const;
const SEED = 1;
const SCALE = 2;
/** After a job, until what it took has been given back. */
const SETTLE_MS = 2_000;
const STACK = fileURLToPath(new URL("./stand-in-stack.ts", import.meta.url));
const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Runs one job; what is held meanwhile is told apart by what the job was doing. */
async function measure(
  photo: Photograph,
  { client, sampler, doing }: { client: BenchClient; sampler: MemorySampler; doing: Doing },
): Promise<MemoryRow> {
  doing.begin();
  const done = await client.restore(photo.bytes, { operations: { upscale: SCALE } }, "image/jpeg");
  doing.enter("download");
  await drain(done.output?.url ?? "");
  const stages = doing.end();
  if (done.output?.width !== photo.width * SCALE) throw new Error(`a result of ${done.output?.width} pixels`);
  const [, peak] = [...stages].reduce((most, each) => (each[1].own > most[1].own ? each : most));
  const { megapixels } = photo;
  const row = { megapixels, seconds: secondsOf(done).wall, peak, stages };
  await sleep(SETTLE_MS);
  const idle = sampler.now();
  sampler.takePeak();
  return { ...row, idle };
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
    `${String(row.megapixels).padStart(4)} ${mb(row.peak.own).padStart(22)} ${mb(row.peak.mapped).padStart(16)} ` +
      `${mb(row.idle.own).padStart(14)} ${row.seconds.toFixed(1).padStart(8)}   ${stages}; at the peak: ` +
      `${programs(row.peak)}; afterwards: ${programs(row.idle)}`,
  );
}

const work = await mkdtemp(join(tmpdir(), "photokeep-memory-"));
const data = join(work, "data");
const standIn = join(work, "model");
await mkdir(standIn);
await writeFile(join(standIn, STAND_IN_FILE), encodeStandIn());
await prepareModels(choosePlaces({ data, models: "none", cwd: process.cwd() }), say);
const photos: Photograph[] = [];
for (const megapixels of MEGAPIXELS) photos.push(await makePhotograph(megapixels, SEED));
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
  say("  MP  peak anon+shared, MB  mapped file, MB  idle after, MB  seconds   MB by stage");
  const rows: MemoryRow[] = [];
  for (const photo of photos) {
    const row = await measure(photo, { client, sampler, doing });
    report(row);
    rows.push(row);
  }
  say(`bound from above, by the kernel's high-water marks of all: ${(sampler.bound() / 1e6).toFixed(0)} MB`);
  await writeFile(join(DOCS, "memory.svg"), memoryPlot(rows));
  await writeFile(join(DOCS, "memory.md"), memoryPage(rows, sampler.bound()));
  say(
    JSON.stringify(
      Object.fromEntries(
        rows.map(({ megapixels, peak }) => [`peak_mb_${megapixels}mp`, Math.round(peak.own / 1e6)]),
      ),
    ),
  );
} finally {
  if (stack.exitCode === null && stack.signalCode === null) {
    stack.kill("SIGTERM");
    await once(stack, "exit");
  }
  await rm(work, { recursive: true, force: true });
}
