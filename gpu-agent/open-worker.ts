import { join } from "node:path";
import type { Log } from "#shared/log.ts";
import type { AgentConfig } from "./config.ts";
import { reserveBytes, type DeviceSlot } from "./device/device-choice.ts";
import { gpuMemoryOf } from "./device/gpu-discovery.ts";
import { providerEnvironment } from "./device/provider-options.ts";
import { createPooledWorker } from "./pooled-worker.ts";
import type { Patience } from "./repeat.ts";
import { openFootprints } from "./vram/footprint-file.ts";
import { createPageCache } from "./vram/page-cache.ts";
import { openPoolLog } from "./vram/pool-log.ts";
import { reportPoolMetrics } from "./vram/pool-metrics.ts";
import { poolPath } from "./vram/pool-record.ts";
import type { Worker } from "./worker/protocol.ts";
import { residentBytesOf } from "./worker/worker-device.ts";
import { createWorkerProcess } from "./worker/worker-process.ts";

/**
 * On the processor: what the worker takes beside sessions and their activations, pixels it has not given back included.
 * More of it, while no stage runs, and the worker is replaced.
 */
const PROCESSOR_RESERVE_BYTES = 768 * 2 ** 20;

export interface OpenWorkerAsk extends Patience {
  readonly config: Pick<
    AgentConfig,
    "modelsDir" | "poolsFolder" | "pool" | "hasSpareWorker" | "workerEnvironment"
  >;
  readonly device: DeviceSlot;
  /** Of the agent. */
  readonly scratch: string;
  /** Which of the agent's slots this is, from 0. */
  readonly slot: number;
  readonly log: Log;
  /** Another program for the worker; for tests and benchmarks. */
  readonly modulePath?: string;
}

/** Starts the worker of one slot: its process, the pool of its models, and what operators see of it. */
export async function openWorker(ask: OpenWorkerAsk): Promise<Worker & AsyncDisposable> {
  const { config, device, slot, clock, entropy, log } = ask;
  const isProcessor = device.kind === "cpu";
  const settings = {
    ...config.pool,
    ...(isProcessor
      ? { reserveBytes: PROCESSOR_RESERVE_BYTES }
      : { budgetBytes: device.budgetBytes, reserveBytes: reserveBytes(device.gpu.totalBytes) }),
  };
  const footprints = await openFootprints({
    path: join(config.modelsDir, `footprints-${device.kind === "cpu" ? "cpu" : device.gpu.uuid}.json`),
    onProblem: (problem) => log.warn("footprints-problem", { problem }),
  });
  const poolLog = openPoolLog({
    path: poolPath(config.poolsFolder, { pid: process.pid, slot }),
    pid: process.pid,
    device: device.name,
    deviceBytes: settings.budgetBytes + settings.reserveBytes,
    reserveBytes: settings.reserveBytes,
    clock,
    onProblem: (problem) => log.warn("pool-log-problem", { problem }),
  });
  const metrics = reportPoolMetrics({ clock, log, picture: () => poolLog.picture() });
  const worker = createPooledWorker({
    process: createWorkerProcess({
      env: {
        ...config.workerEnvironment(join(ask.scratch, `slot-${slot}`)),
        ...providerEnvironment(device),
        PHOTOKEEP_PROVIDER: device.kind,
      },
      hasSpare: config.hasSpareWorker,
      clock,
      entropy,
      log,
      ...(ask.modulePath === undefined ? {} : { modulePath: ask.modulePath }),
    }),
    settings,
    isProcessor,
    memoryOf: isProcessor ? residentBytesOf : (pid, signal) => gpuMemoryOf(pid, { signal }),
    pages: createPageCache(),
    footprints,
    clock,
    log,
    onEvent: (event, state) => poolLog.note(event, state),
  });
  return {
    ...worker,
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await metrics[Symbol.asyncDispose]();
      await poolLog[Symbol.asyncDispose]();
      await footprints[Symbol.asyncDispose]();
    },
  };
}
