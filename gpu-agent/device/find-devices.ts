import { Fault } from "#shared/domain/fault.ts";
import type { Log } from "#shared/log.ts";
import { isCudaLibraryHere } from "./cuda-library.ts";
import { chooseDevices, type Backend, type DeviceChoice, type DeviceSetting } from "./device-choice.ts";
import { discoverGpus, type Gpu } from "./gpu-discovery.ts";

/** What the binding of this platform can be given (onnxruntime-node 1.30: CUDA on Linux on x64 alone). */
const BACKENDS: readonly Backend[] = [
  { name: "cpu", bundled: true },
  ...(process.platform === "linux" && process.arch === "x64" ? [{ name: "cuda", bundled: false }] : []),
];

/**
 * The devices of this machine that the setting asks for. With `auto` a broken driver is a note, and the processor serves.
 * @throws Fault as `chooseDevices`; where GPUs are asked for by name, as `discoverGpus`.
 */
export async function findDevices(
  setting: DeviceSetting,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Log },
): Promise<DeviceChoice> {
  if (setting.kind === "cpu")
    return chooseDevices(setting, { gpus: [], backends: [], isCudaLibraryHere: false });
  const onLeftOut = (gpu: { line: string; why: string }): void => log.warn("gpu-left-out", gpu);
  const notes: string[] = [];
  const gpus = await discoverGpus({ signal, onLeftOut }).catch((error: unknown): readonly Gpu[] => {
    if (setting.kind !== "auto" || !(error instanceof Fault)) throw error;
    notes.push(error.message);
    return [];
  });
  const machine = { gpus, backends: BACKENDS, isCudaLibraryHere: await isCudaLibraryHere() };
  const choice = chooseDevices(setting, machine);
  return { ...choice, notes: [...notes, ...choice.notes] };
}
