import type { DeviceSlot } from "./device-choice.ts";

/** An execution provider as onnxruntime-node's session options name it. */
type ExecutionProvider = "cpu" | { readonly name: "cuda"; readonly deviceId: number };

/**
 * How a worker runs on its slot. A GPU's worker sees that GPU alone, by its uuid, and so calls it device 0: CUDA's own
 * order of devices (the fastest first) is not nvidia-smi's, and nothing can stray to another slot's memory. What CUDA
 * cannot run, the processor does.
 *
 * Of a CUDA provider's options the JS binding (onnxruntime-node 1.30, js/node/src/session_options_helper.cc) reads
 * `deviceId` and nothing else. Everything below would be accepted and silently ignored, so none of it is set:
 *
 * - `gpu_mem_limit`: the arena is not limited. The slot's budget is kept by what is loaded, and its use is measured.
 * - `arena_extend_strategy`: the arena grows to the next power of two. What a model took is measured, not calculated.
 * - `cudnn_conv_algo_search`, `cudnn_conv_use_max_workspace`: the search is exhaustive, so the first run of every new
 *   tile shape is slow and its workspace large. Hence one tile shape per session and a first run that counts as loading.
 * - `do_copy_in_default_stream`, `user_compute_stream`, `enable_cuda_graph`, `use_tf32`, `prefer_nhwc`: the defaults.
 * - the CPU provider's `useArena`: `enableCpuMemArena` of the session options is what counts.
 *
 * Session options that the binding does read: threads, execution mode, optimisation level, `enableCpuMemArena`,
 * `enableMemPattern`, `optimizedModelFilePath`, profiling, log level, and `extra` (any session configuration entry).
 */
export function executionProviders(kind: DeviceSlot["kind"]): ExecutionProvider[] {
  return kind === "cpu" ? ["cpu"] : [{ name: "cuda", deviceId: 0 }, "cpu"];
}

/** What the worker process of a slot is started with, without which its device 0 is another one. */
export function providerEnvironment(slot: DeviceSlot): Readonly<Record<string, string>> {
  return { CUDA_VISIBLE_DEVICES: slot.kind === "cpu" ? "" : slot.gpu.uuid };
}
