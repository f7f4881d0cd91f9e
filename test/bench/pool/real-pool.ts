import { mkdir } from "node:fs/promises";
import { delimiter } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createPageCache } from "#agent/vram/page-cache.ts";
import { createLoadTimes, type LoadTimes } from "#agent/vram/load-times.ts";
import { createModelPool } from "#agent/vram/model-pool.ts";
import type { ModelPool } from "#agent/vram/pool-contract.ts";
import type { PoolEvent } from "#agent/vram/pool-event.ts";
import type { Policy } from "#agent/vram/policy.ts";
import type { PoolState } from "#agent/vram/pool-state.ts";
import type { StageLease } from "#agent/vram/leases.ts";
import type { StageAsk } from "#agent/vram/pool-queue.ts";
import type { Grant } from "#agent/worker/protocol.ts";
import type { RunPeak } from "#agent/worker/session-threads.ts";
import { createWorkerDevice, residentBytesOf } from "#agent/worker/worker-device.ts";
import { createWorkerProcess } from "#agent/worker/worker-process.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import { createLog } from "#shared/log.ts";
import type { Clock } from "#shared/ports.ts";
import { sampleLease } from "../../gpu-agent/sample-lease.ts";
import { writeStandIns, type PoolStandIns } from "./pool-stand-ins.ts";

/** A model of the benchmark's pool. */
export interface BenchModel {
  readonly id: string;
  /** What the pool counts for it while it is loaded. */
  readonly bytes: number;
  /** Of the tile it runs on. */
  readonly tilePixels: number;
}

/** Where the models of this machine are. */
export interface ModelPlaces {
  readonly modelsDir: string;
  readonly extraModelDirs: readonly string[];
}

export interface RealPoolAsk {
  /** A folder of its own. */
  readonly folder: string;
  readonly places: ModelPlaces;
  readonly models: readonly BenchModel[];
  readonly standIns?: PoolStandIns;
  readonly policy: Policy;
  readonly budgetBytes: number;
  /** Of a model's computation. */
  readonly threads: number;
  /** What is known of them from before. */
  readonly loadTimes?: LoadTimes;
  /** Milliseconds, finer than a clock of the day. */
  readonly clock: Clock;
  onEvent(event: PoolEvent, state: PoolState): void;
}

type PoolLease = StageLease<Grant, readonly RunPeak[]>;

/** The product's pool on the product's worker process, driven without a control plane. */
export interface RealPool extends AsyncDisposable {
  readonly pool: ModelPool<Grant, readonly RunPeak[]>;
  /** Runs one tile in the worker. Answers the model's own seconds. @throws Error where that fails. */
  run(lease: PoolLease, model: string): Promise<number>;
  /** The same with a lease that is waited for and given back. */
  play(ask: StageAsk): Promise<number>;
  /** Resident memory of the worker process, bytes. */
  residentBytes(): Promise<number>;
  /** How often the worker was replaced. */
  replacements(): number;
}

/** As the product sets it for the processor. */
const RESERVE_BYTES = 768 * 2 ** 20;
const WORKER = fileURLToPath(new URL("./pool-worker.ts", import.meta.url));
const never = new AbortController().signal;

/** Monotonic, in fractions of a millisecond. */
export const fineClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  async sleep(ms, signal) {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  },
};

export async function openRealPool(ask: RealPoolAsk): Promise<RealPool> {
  const { folder, places, models, clock, standIns = {} } = ask;
  const byId = new Map(models.map((model) => [model.id, model]));
  const loadTimes = ask.loadTimes ?? createLoadTimes(() => clock.now());
  await mkdir(folder, { recursive: true });
  await writeStandIns(folder, standIns);
  const process = createWorkerProcess({
    modulePath: WORKER,
    env: {
      PHOTOKEEP_DATA: folder,
      PHOTOKEEP_SCRATCH: folder,
      PHOTOKEEP_MODELS: places.modelsDir,
      PHOTOKEEP_EXTRA_MODELS: places.extraModelDirs.join(delimiter),
      PHOTOKEEP_THREADS: String(ask.threads),
      PHOTOKEEP_LICENCES: "commercial,attribution,noncommercial,copyleft",
      PHOTOKEEP_LOG_LEVEL: "warn",
    },
    clock,
    entropy: systemEntropy,
    log: createLog({
      level: "warn",
      write: (line) => void globalThis.process.stderr.write(line),
      now: Date.now,
    }),
  });
  /** The stage that has its lease. */
  let current: { readonly model: string; readonly lease: PoolLease } | undefined;
  let deaths = 0;

  const device = createWorkerDevice({
    process,
    pages: createPageCache(),
    isProcessor: true,
    memoryOf: async (pid) => (current === undefined ? await residentBytesOf(pid) : undefined),
    onRecycle: () => undefined,
  });
  process.listen({
    onUse(event) {
      if (event.type === "returned") return device.returned(event);
      invariant(event.type === "take" && current?.model === event.model, "only what is leased is taken");
      const { tilePixels } = byId.get(event.model)!;
      const run = current.lease.run({ use: event.use, tilePixels, isOnProcessor: false }, never);
      // Whoever waits for the stage hears of it.
      run.catch(() => undefined);
    },
    onDeath(how) {
      deaths += 1;
      device.lost(new Fault("busy", "device_failed", `The worker has ended: ${how}.`));
    },
  });
  await process.ready(never);

  const pool = createModelPool<Grant, readonly RunPeak[]>({
    device,
    models: models.map(({ id, bytes }) => ({ id, fileBytes: bytes, isPinned: false })),
    policy: ask.policy,
    deviceBytes: ask.budgetBytes + RESERVE_BYTES,
    reserveBytes: RESERVE_BYTES,
    warmBytesMax: Number.MAX_SAFE_INTEGER,
    executors: 1,
    clock,
    bytesOf: (id) => byId.get(id)!.bytes,
    loadMsOf: (id) => loadTimes.of(id, byId.get(id)!.bytes),
    onEvent(event) {
      loadTimes.hear(event);
      ask.onEvent(event, pool.state());
    },
  });

  async function run(lease: PoolLease, model: string): Promise<number> {
    invariant(current === undefined, "one stage at a time");
    current = { model, lease };
    const form = sampleLease({ stage: "upscale", models: [model] });
    const outcome = await process.run(form, () => undefined, never);
    current = undefined;
    if (outcome.type !== "done") throw new Error(`${model}: ${JSON.stringify(outcome)}`);
    return outcome.result.timings.modelSeconds;
  }

  return {
    pool,
    run,
    async play(stage) {
      await using lease = await pool.take(stage, never);
      return await run(lease, stage.model);
    },
    async residentBytes() {
      const pid = process.pid();
      return (pid === undefined ? undefined : await residentBytesOf(pid)) ?? Number.NaN;
    },
    replacements: () => deaths,
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await process[Symbol.asyncDispose]();
    },
  };
}
