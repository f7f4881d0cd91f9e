import { readFile } from "node:fs/promises";
import { Fault } from "#shared/domain/fault.ts";
import type { Device, OpenModel } from "../vram/device.ts";
import type { PageCache } from "../vram/page-cache.ts";
import type { Grant, UseEvent } from "./protocol.ts";
import type { RunPeak } from "./session-threads.ts";
import type { WorkerProcess } from "./worker-process.ts";

export interface WorkerDeviceOptions {
  readonly process: WorkerProcess;
  readonly pages: Pick<PageCache, "letGo">;
  /** Whether sessions live in the memory of the process itself, which then can measure them best. */
  readonly isProcessor: boolean;
  /** Device memory of the worker with this process id; undefined while nobody can say. */
  memoryOf(pid: number, signal: AbortSignal): Promise<number | undefined>;
  /** Told before the worker is ended because the pool wants it. */
  onRecycle(): void;
}

/** A device whose sessions live in a worker process; a run is the whole time that a stage holds a model. */
export interface WorkerDevice extends Device<Grant, readonly RunPeak[]> {
  /** A stage has given a model back. */
  returned(event: Extract<UseEvent, { type: "returned" }>): void;
  /** The process has ended: whatever ran on it is lost. */
  lost(error: Error): void;
  /** Files that loading a model reads, as far as they are known. */
  filesOf(model: string): readonly string[];
}

interface Use {
  resolve(peaks: readonly RunPeak[]): void;
  reject(error: unknown): void;
}

const never = new AbortController().signal;

export function createWorkerDevice(options: WorkerDeviceOptions): WorkerDevice {
  const { process, pages } = options;
  const uses = new Map<number, Use>();
  const files = new Map<string, readonly string[]>();
  /** The process that sessions were opened in last, and what it held before the first. */
  let opened = 0;
  /** Uses so far. */
  let begun = 0;
  let baselineBytes: number | undefined;

  async function heldBytes(signal: AbortSignal): Promise<number | undefined> {
    const pid = process.pid();
    if (pid === undefined) return 0;
    const bytes = await options.memoryOf(pid, signal);
    return bytes === undefined || baselineBytes === undefined
      ? undefined
      : Math.max(0, bytes - baselineBytes);
  }

  const learn = (model: string, paths: readonly string[] = []): void => {
    if (paths.length > 0) files.set(model, paths);
  };

  function openModel(model: string, bytes: number | undefined): OpenModel<Grant, readonly RunPeak[]> {
    return {
      ...(bytes === undefined ? {} : { bytes }),
      async run(grant) {
        const { promise, resolve, reject } = Promise.withResolvers<readonly RunPeak[]>();
        const use = { resolve, reject };
        uses.set(grant.use, use);
        begun += 1;
        process.grant(grant);
        try {
          return { answer: await promise };
        } finally {
          // The next process counts its uses anew.
          if (uses.get(grant.use) === use) uses.delete(grant.use);
        }
      },
      async release(signal) {
        await process.command({ type: "release", model }, signal);
      },
    };
  }

  return {
    async open(model, signal) {
      const generation = process.generation();
      if (opened !== generation) {
        opened = generation;
        const pid = process.pid();
        baselineBytes = pid === undefined ? undefined : await options.memoryOf(pid, signal);
      }
      const isUnused = uses.size === 0;
      const begunBefore = begun;
      const before = await heldBytes(signal);
      // In the next process it would be open and nobody know: the pool takes all of this one for lost.
      if (process.generation() !== generation)
        throw new Fault("busy", "device_failed", `The worker has ended before it opened the model ${model}.`);
      const { bytes, files } = await process.command({ type: "open", model }, signal);
      learn(model, files);
      if (options.isProcessor) return openModel(model, bytes);
      const after = await heldBytes(signal);
      // Else it may be the memory of a run.
      const isAlone = isUnused && begun === begunBefore;
      const isMeasured = isAlone && before !== undefined && after !== undefined;
      return openModel(model, isMeasured ? Math.max(0, after - before) : undefined);
    },
    async warm(model, signal) {
      const { files } = await process.command({ type: "warm", model }, signal);
      learn(model, files);
    },
    cool: (model) => void pages.letGo(files.get(model) ?? [], never).catch(() => undefined),
    heldBytes,
    async recycle(signal) {
      // One that has died by itself is reported as that.
      if (process.generation() === opened && process.pid() !== undefined) options.onRecycle();
      await process.replace(opened, signal);
    },
    returned: ({ use, peaks }) => uses.get(use)?.resolve(peaks),
    lost(error) {
      for (const { reject } of uses.values()) reject(error);
    },
    filesOf: (model) => files.get(model) ?? [],
  };
}

/** Resident memory of a process (Linux: /proc/pid/statm, proc(5)); undefined where nobody can say. */
export async function residentBytesOf(pid: number): Promise<number | undefined> {
  try {
    const pages = Number((await readFile(`/proc/${pid}/statm`, "utf8")).split(" ")[1]);
    return Number.isInteger(pages) ? pages * PAGE_BYTES : undefined;
  } catch {
    return undefined;
  }
}

/** Of Linux on every processor that this runs on. */
const PAGE_BYTES = 4_096;
