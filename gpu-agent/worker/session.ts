import { InferenceSession, Tensor } from "onnxruntime-node";
import { Fault } from "#shared/domain/fault.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import type { DeviceSlot } from "../device/device-choice.ts";
import { executionProviders } from "../device/provider-options.ts";
import type { Model } from "../stages/stage.ts";
import { checkContract } from "./contract.ts";

/** A model file as it lies here. */
export interface ModelFile {
  readonly entry: ModelEntry;
  readonly path: string;
  /** Optimised for this machine, weights beside it: loaded without optimising or packing again. */
  readonly isPrepared: boolean;
}

export interface Session extends Model {
  release(): Promise<void>;
}

export interface SessionOptions {
  /** Of its computation on the processor. */
  readonly threads: number;
  readonly provider?: DeviceSlot["kind"];
}

/**
 * Loads a model, on the processor unless told otherwise. Blocks the thread for its whole length.
 *
 * The memory arena stays on: with it off every activation is mapped and faulted in anew, which doubles the time of a
 * tile. Memory patterns are off: they are kept for every tile shape ever seen, and change no time that could be
 * measured. Everything comes back with the session's release (22 MB left of 150 after nine tile shapes).
 *
 * @throws Fault conflict `model_invalid` when the file is not what the catalogue describes; busy `memory_exhausted`.
 */
export async function openSession(file: ModelFile, options: SessionOptions): Promise<Session> {
  const { entry, path, isPrepared } = file;
  const session = await guard(entry, () =>
    InferenceSession.create(path, {
      executionProviders: executionProviders(options.provider ?? "cpu"),
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      enableCpuMemArena: true,
      enableMemPattern: false,
      logSeverityLevel: 3,
      ...(isPrepared
        ? { graphOptimizationLevel: "disabled", extra: { session: { disable_prepacking: "1" } } }
        : { graphOptimizationLevel: "all" }),
    }),
  );
  try {
    const names = checkContract(entry, session);
    return {
      entry,
      ...names,
      async run(feeds) {
        const tensors: Record<string, Tensor> = {};
        for (const [name, { data, dims }] of Object.entries(feeds)) {
          tensors[name] =
            data instanceof Float32Array
              ? new Tensor("float32", data, dims)
              : new Tensor("float64", data, dims);
        }
        const results = await guard(entry, () => session.run(tensors));
        const outputs: Record<string, Float32Array> = {};
        for (const [name, { data }] of Object.entries(results)) {
          if (data instanceof Float32Array) outputs[name] = data;
        }
        return outputs;
      },
      release: () => session.release(),
    };
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** The runtime's errors are told apart by their text: it gives them no codes. */
async function guard<T>(entry: ModelEntry, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    if (/alloc|out of memory|not enough memory/i.test(text)) {
      throw new Fault("busy", "memory_exhausted", `There is not enough memory for the model ${entry.id}.`, {
        cause,
      });
    }
    if (/cuda|cudnn|cublas|device/i.test(text)) {
      throw new Fault("busy", "device_failed", `The device failed while it ran the model ${entry.id}.`, {
        cause,
      });
    }
    throw new Fault("conflict", "model_invalid", `The model ${entry.id} cannot be run; pull it again.`, {
      cause,
    });
  }
}
