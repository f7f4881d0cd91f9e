import { Fault } from "#shared/domain/fault.ts";
import type { Gpu } from "./gpu-discovery.ts";

/** `auto`: every GPU that can be used, else the processor. `cuda`: every GPU. A list: these GPUs, by nvidia-smi's index. */
export type DeviceSetting =
  | { readonly kind: "auto" | "cpu" | "cuda" }
  | { readonly kind: "list"; readonly indices: readonly number[] };

/** One worker process runs on one of these. */
export type DeviceSlot =
  | { readonly kind: "cpu"; readonly name: "cpu" }
  | {
      readonly kind: "cuda";
      /** `cuda:0`, by nvidia-smi's index. */
      readonly name: string;
      readonly gpu: Gpu;
      /** What models and their activations may take together. */
      readonly budgetBytes: number;
    };

/** What the runtime's binding was built with: the form of onnxruntime-node's `listSupportedBackends()`. */
export interface Backend {
  readonly name: string;
  /**
   * Whether its library comes with the npm package: a constant of the binding, false for `cuda` even where the library
   * was fetched afterwards. Hence `isCudaLibraryHere`.
   */
  readonly bundled: boolean;
}

export interface Machine {
  /** May be left empty where the setting is `cpu`. */
  readonly gpus: readonly Gpu[];
  readonly backends: readonly Backend[];
  /** See cuda-library.ts. */
  readonly isCudaLibraryHere: boolean;
}

export interface DeviceChoice {
  readonly slots: readonly [DeviceSlot, ...DeviceSlot[]];
  /** Sentences for the operator: what was passed over, and why. */
  readonly notes: readonly string[];
}

const GIB = 2 ** 30;
const RESERVE_BYTES_MIN = GIB;
const RESERVE_SHARE = 0.06;
/** Less holds none of the restoring models with its tiles. */
const BUDGET_BYTES_MIN = GIB / 2;
const GPUS_MAX = 64;

/** @throws Fault input `device_unknown`. */
export function readDeviceSetting(text: string): DeviceSetting {
  const names = text.trim().toLowerCase();
  if (names === "auto" || names === "cpu" || names === "cuda") return { kind: names };
  const indices = names.split(",").map((name) => /^cuda:(\d{1,3})$/.exec(name.trim())?.[1]);
  if (indices.length <= GPUS_MAX && indices.every((index) => index !== undefined))
    return { kind: "list", indices: [...new Set(indices.map(Number))] };
  const message = `The device ${text.slice(0, 80)} is unknown. Write auto, cpu, cuda, or a list like cuda:0,cuda:1.`;
  throw new Fault("input", "device_unknown", message);
}

/**
 * What stays free on a GPU, of its total: the larger of 1 GiB and 6 %. It holds what no plan sees: the CUDA context and
 * the kernels' code, cuDNN's workspaces, the allocator's fragments. The runtime is not limited by it (provider-options.ts).
 */
export function reserveBytes(totalBytes: number): number {
  return Math.max(RESERVE_BYTES_MIN, Math.ceil(totalBytes * RESERVE_SHARE));
}

/** The budget of a slot: what is free at the start (others may use the GPU too), less the reserve; never below 0. */
export function slotBudgetBytes({ totalBytes, freeBytes }: Pick<Gpu, "totalBytes" | "freeBytes">): number {
  return Math.max(0, Math.min(freeBytes, totalBytes) - reserveBytes(totalBytes));
}

/**
 * The slots of this machine, one per GPU, or the processor's.
 *
 * @throws Faults, never for `auto` or `cpu`: missing `provider_missing` (the runtime cannot use CUDA), missing
 * `gpu_missing` (none, or not the one that was named), busy `gpu_occupied` (others hold its memory).
 */
export function chooseDevices(setting: DeviceSetting, machine: Machine): DeviceChoice {
  if (setting.kind === "cpu") return onProcessor([]);
  if (setting.kind === "auto") return chooseFreely(machine);
  const lack = providerLack(machine);
  if (lack !== undefined) throw new Fault("missing", "provider_missing", lack);
  const slots = chosenGpus(setting, machine.gpus).map((gpu) => {
    const slot = slotOf(gpu);
    if (typeof slot === "string") throw new Fault("busy", "gpu_occupied", slot);
    return slot;
  });
  const [first, ...others] = slots;
  if (first === undefined) throw noGpu();
  return { slots: [first, ...others], notes: [] };
}

function chooseFreely(machine: Machine): DeviceChoice {
  if (machine.gpus.length === 0) return onProcessor([]);
  const lack = providerLack(machine);
  if (lack !== undefined) return onProcessor([lack]);
  const slots = machine.gpus.map(slotOf);
  const notes = slots.filter((slot) => typeof slot === "string");
  const [first, ...others] = slots.filter((slot) => typeof slot !== "string");
  return first === undefined ? onProcessor(notes) : { slots: [first, ...others], notes };
}

function onProcessor(notes: readonly string[]): DeviceChoice {
  return { slots: [{ kind: "cpu", name: "cpu" }], notes };
}

/** Why CUDA cannot be used, as a sentence that says what to do. */
function providerLack({ backends, isCudaLibraryHere }: Machine): string | undefined {
  const cuda = backends.find(({ name }) => name === "cuda");
  if (cuda === undefined)
    return "The ONNX Runtime of this platform has no CUDA provider (only Linux on x64 has). Choose the device cpu.";
  if (cuda.bundled || isCudaLibraryHere) return undefined;
  return (
    "The CUDA provider's library is not installed. Fetch it with " +
    "ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js, or choose the device cpu."
  );
}

function chosenGpus(setting: DeviceSetting, gpus: readonly Gpu[]): readonly Gpu[] {
  if (setting.kind !== "list") return gpus;
  return setting.indices.map((wanted) => {
    const gpu = gpus.find(({ index }) => index === wanted);
    if (gpu !== undefined) return gpu;
    if (gpus.length === 0) throw noGpu();
    const names = gpus.map(({ index }) => `cuda:${index}`).join(", ");
    throw new Fault(
      "missing",
      "gpu_missing",
      `There is no usable GPU cuda:${wanted}. Choose among ${names}.`,
    );
  });
}

function noGpu(): Fault {
  const message =
    "No usable NVIDIA GPU was found. Install its driver, give the container access to it, or choose the device cpu.";
  return new Fault("missing", "gpu_missing", message);
}

/** The slot of a GPU, or the sentence that says why it has none. */
function slotOf(gpu: Gpu): (DeviceSlot & { kind: "cuda" }) | string {
  const budgetBytes = slotBudgetBytes(gpu);
  if (budgetBytes >= BUDGET_BYTES_MIN) return { kind: "cuda", name: `cuda:${gpu.index}`, gpu, budgetBytes };
  const [free, total] = [gpu.freeBytes, gpu.totalBytes].map((bytes) => (bytes / GIB).toFixed(1));
  return `The GPU cuda:${gpu.index} (${gpu.name}) has ${free} of ${total} GiB free, too little. End what uses it, or choose another device.`;
}
