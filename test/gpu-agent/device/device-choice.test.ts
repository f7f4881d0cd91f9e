import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isCudaLibraryHere } from "#agent/device/cuda-library.ts";
import {
  chooseDevices,
  readDeviceSetting,
  reserveBytes,
  slotBudgetBytes,
} from "#agent/device/device-choice.ts";
import type { Machine } from "#agent/device/device-choice.ts";
import { discoverGpus } from "#agent/device/gpu-discovery.ts";
import { executionProviders, providerEnvironment } from "#agent/device/provider-options.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { faultCode } from "../models/fault-code.ts";
import { ended, saying, TWO_GPUS } from "./nvidia-smi-outputs.ts";

const GIB = 2 ** 30;
/** As onnxruntime-node 1.30 lists them on Linux x64. */
const LINUX_X64 = [
  { name: "cpu", bundled: true },
  { name: "webgpu", bundled: true },
  { name: "cuda", bundled: false },
  { name: "tensorrt", bundled: false },
];
const gpus = await discoverGpus({ run: saying(ended(TWO_GPUS)), signal: new AbortController().signal });
const FULL: Machine = { gpus, backends: LINUX_X64, isCudaLibraryHere: true };
const BARE: Machine = { gpus: [], backends: LINUX_X64, isCudaLibraryHere: false };

/** The names of the slots, or the code of the Fault. */
async function chosen(setting: string, machine: Machine): Promise<string> {
  const choose = async (): Promise<string> =>
    chooseDevices(readDeviceSetting(setting), machine)
      .slots.map(({ name }) => name)
      .join();
  try {
    return await choose();
  } catch {
    return faultCode(choose());
  }
}

test("automatically every GPU gets a slot where the runtime can use it, and the processor does otherwise", async () => {
  expect(await chosen("auto", FULL)).toBe("cuda:0,cuda:1");
  expect(await chosen("auto", BARE)).toBe("cpu");
  expect(await chosen("auto", { ...FULL, gpus: [] })).toBe("cpu");
  const without = chooseDevices({ kind: "auto" }, { ...FULL, isCudaLibraryHere: false });
  expect(without.slots).toEqual([{ kind: "cpu", name: "cpu" }]);
  expect(without.notes).toEqual([expect.stringContaining("ONNXRUNTIME_NODE_INSTALL=cuda12")]);
});

test("what is asked for by name is given, or refused with what to do", async () => {
  expect(await chosen("cpu", FULL)).toBe("cpu");
  expect(await chosen("cuda", FULL)).toBe("cuda:0,cuda:1");
  expect(await chosen("cuda:1", FULL)).toBe("cuda:1");
  expect(await chosen(" CUDA:1, cuda:0,cuda:1", FULL)).toBe("cuda:1,cuda:0");
  expect(await chosen("cuda:2", FULL)).toBe("gpu_missing");
  expect(await chosen("cuda", { ...FULL, gpus: [] })).toBe("gpu_missing");
  expect(await chosen("cuda:0", { ...FULL, gpus: [] })).toBe("gpu_missing");
  expect(await chosen("cuda", { ...FULL, isCudaLibraryHere: false })).toBe("provider_missing");
  expect(await chosen("cuda", { ...FULL, backends: [{ name: "cpu", bundled: true }] })).toBe(
    "provider_missing",
  );
  for (const wrong of ["", "gpu", "cuda:", "cuda:-1", "cuda:0,", "cuda:0;cuda:1", "rocm"])
    expect(await chosen(wrong, FULL), wrong).toBe("device_unknown");
});

test("a budget leaves the larger of 1 GiB and 6 % free, and counts what others hold already", () => {
  expect(reserveBytes(8 * GIB)).toBe(GIB);
  expect(reserveBytes(100 * GIB)).toBe(6 * GIB);
  expect(slotBudgetBytes({ totalBytes: 100 * GIB, freeBytes: 100 * GIB })).toBe(94 * GIB);
  expect(slotBudgetBytes({ totalBytes: 100 * GIB, freeBytes: 30 * GIB })).toBe(24 * GIB);
  expect(slotBudgetBytes({ totalBytes: 8 * GIB, freeBytes: GIB / 2 })).toBe(0);
});

test("a GPU that others have filled is passed over automatically and refused by name", async () => {
  const [first, second] = gpus;
  if (first === undefined || second === undefined) throw new Error("two GPUs were found");
  const machine = { ...FULL, gpus: [{ ...first, freeBytes: GIB }, second] };
  const choice = chooseDevices({ kind: "auto" }, machine);
  expect(choice.slots.map(({ name }) => name)).toEqual(["cuda:1"]);
  expect(choice.notes).toEqual([expect.stringContaining("has 1.0 of 24.0 GiB free")]);
  expect(await chosen("cuda:0", machine)).toBe("gpu_occupied");
  expect(await chosen("auto", { ...FULL, gpus: [{ ...first, freeBytes: GIB }] })).toBe("cpu");
});

test("a worker sees its own GPU alone and calls it device 0; nothing is set that the binding ignores", () => {
  const { slots } = chooseDevices({ kind: "cuda" }, FULL);
  expect(slots.map(providerEnvironment)).toEqual(gpus.map(({ uuid }) => ({ CUDA_VISIBLE_DEVICES: uuid })));
  expect(executionProviders("cuda")).toEqual([{ name: "cuda", deviceId: 0 }, "cpu"]);
  expect(providerEnvironment({ kind: "cpu", name: "cpu" })).toEqual({ CUDA_VISIBLE_DEVICES: "" });
  expect(executionProviders("cpu")).toEqual(["cpu"]);
});

test("CUDA's libraries are here only when both lie beside the binding", async () => {
  await using folder = await temporaryFolder();
  const beside = join(folder.path, "bin/napi-v6/linux/x64");
  await mkdir(beside, { recursive: true });
  expect(await isCudaLibraryHere(folder.path)).toBe(false);
  await writeFile(join(beside, "libonnxruntime_providers_cuda.so"), "");
  expect(await isCudaLibraryHere(folder.path)).toBe(false);
  await writeFile(join(beside, "libonnxruntime_providers_shared.so"), "");
  expect(await isCudaLibraryHere(folder.path)).toBe(true);
});
