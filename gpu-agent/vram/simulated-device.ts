import { Fault } from "#shared/domain/fault.ts";
import type { Clock } from "#shared/ports.ts";
import type { Device, OpenModel } from "./device.ts";

/** A model of a simulated device: what it really takes. */
interface SimulatedModel {
  readonly id: string;
  readonly bytes: number;
  /** What a release leaves behind, until the worker is replaced. */
  readonly residueBytes?: number;
  readonly openMs: number;
  readonly warmMs: number;
}

export interface SimulatedRun {
  readonly activationBytes: number;
  readonly ms: number;
}

/**
 * What may go wrong: `memory` it ends with too little of it; `invalid` the file is damaged; `hang` it never ends, whatever
 * it is told; `slow` the memory of a release takes `slowMs` to come back; `crash` the worker dies.
 */
export type Mishap = "memory" | "invalid" | "hang" | "slow" | "crash";

export interface SimulatedDeviceOptions {
  readonly clock: Clock;
  readonly models: readonly SimulatedModel[];
  readonly deviceBytes: number;
  /** From the end of a release until the memory is back. */
  readonly releaseMs: number;
  readonly slowMs: number;
  readonly recycleMs: number;
  /** Asked before everything that is done; undefined lets it go well. */
  mishap(doing: "open" | "run" | "release" | "warm" | "recycle", model: string): Mishap | undefined;
}

export interface SimulatedDevice extends Device<SimulatedRun, string> {
  /** What really happened, whatever the pool believes. */
  readonly seen: {
    heldBytes: number;
    peakBytes: number;
    /** Times that more was asked for than there was. */
    overflows: number;
    recycles: number;
  };
  /** Sessions of a model that are being opened, open, or being released. */
  sessionsOf(model: string): number;
}

/** Memory of one worker; with the worker it is gone anyway. */
interface Taken {
  /** All but what stays behind. */
  free(butBytes?: number): void;
}

/** A device on a clock: its worker obeys a byte budget, takes its time and fails as it is told. */
export function createSimulatedDevice(options: SimulatedDeviceOptions): SimulatedDevice {
  const { clock, deviceBytes, mishap } = options;
  const models = new Map(options.models.map((model) => [model.id, model]));
  const seen = { heldBytes: 0, peakBytes: 0, overflows: 0, recycles: 0 };
  /** The worker that lives now, and what it holds. */
  let worker = new AbortController();
  let sessions: string[] = [];

  function take(bytes: number): Taken {
    const { signal } = worker;
    if (seen.heldBytes + bytes > deviceBytes) {
      seen.overflows += 1;
      throw outOfMemory();
    }
    seen.heldBytes += bytes;
    seen.peakBytes = Math.max(seen.peakBytes, seen.heldBytes);
    return {
      free(butBytes = 0) {
        if (!signal.aborted) seen.heldBytes -= bytes - butBytes;
      },
    };
  }

  function die(): void {
    seen.heldBytes = 0;
    sessions = [];
    worker.abort(new Fault("busy", "device_failed", "The worker of the device has died."));
  }

  function leave(id: string): void {
    const at = sessions.indexOf(id);
    if (at >= 0) sessions.splice(at, 1);
  }

  /** Takes its time, unless something happens to it. */
  async function pass(ms: number, what: Mishap | undefined, signal?: AbortSignal): Promise<void> {
    const life = worker.signal;
    life.throwIfAborted();
    if (what === "hang") return await never(life);
    await clock.sleep(ms, signal === undefined ? life : AbortSignal.any([life, signal]));
    if (what === "crash") die();
    life.throwIfAborted();
    if (what === "memory") throw outOfMemory();
    if (what === "invalid") throw new Fault("conflict", "model_invalid", "The model cannot be run.");
  }

  function sessionOf(model: SimulatedModel, memory: Taken): OpenModel<SimulatedRun, string> {
    const { id, bytes, residueBytes = 0 } = model;
    return {
      bytes,
      async run({ activationBytes, ms }, signal) {
        worker.signal.throwIfAborted();
        const memory = take(activationBytes);
        try {
          await pass(ms, mishap("run", id), signal);
          return { answer: id, peakBytes: activationBytes };
        } finally {
          memory.free();
        }
      },
      async release() {
        const what = mishap("release", id);
        await pass(1, what);
        leave(id);
        const backMs = what === "slow" ? options.slowMs : options.releaseMs;
        void clock.sleep(backMs, worker.signal).then(
          () => memory.free(residueBytes),
          () => undefined,
        );
      },
    };
  }

  return {
    seen,
    sessionsOf: (model) => sessions.filter((id) => id === model).length,
    async heldBytes() {
      return seen.heldBytes;
    },
    cool: () => undefined,
    async warm(id, signal) {
      await pass(models.get(id)!.warmMs, mishap("warm", id), signal);
    },
    async open(id, signal) {
      const model = models.get(id)!;
      const life = worker.signal;
      life.throwIfAborted();
      const memory = take(model.bytes);
      sessions.push(id);
      try {
        await pass(model.openMs, mishap("open", id), signal);
        return sessionOf(model, memory);
      } catch (error) {
        if (!life.aborted) {
          memory.free();
          leave(id);
        }
        throw error;
      }
    },
    async recycle(signal) {
      die();
      const what = mishap("recycle", "");
      await (what === "hang" ? never(signal) : clock.sleep(options.recycleMs, signal));
      if (what !== undefined) throw new Fault("busy", "device_failed", "The worker could not be started.");
      seen.recycles += 1;
      worker = new AbortController();
    },
  };
}

function outOfMemory(): Fault {
  return new Fault("busy", "memory_exhausted", "There is not enough memory on the device.");
}

/** Ends only with the worker. */
function never(life: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    life.addEventListener("abort", () => reject(life.reason as Error), { once: true });
  });
}
