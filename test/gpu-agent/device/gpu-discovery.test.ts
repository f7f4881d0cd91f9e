import { expect, test } from "vitest";
import { discoverGpus, gpuMemoryOf } from "#agent/device/gpu-discovery.ts";
import type { LeftOut } from "#agent/device/gpu-discovery.ts";
import type { ToolAnswer } from "#agent/machine-tool.ts";
import { faultCode } from "../models/fault-code.ts";
import {
  ended,
  MIG,
  MISMATCH,
  NO_DEVICES,
  NOT_LOADED,
  ONE_LOST,
  PROCESSES,
  saying,
  TWO_GPUS,
  UNIFIED,
} from "./nvidia-smi-outputs.ts";

const { signal } = new AbortController();
const MIB = 2 ** 20;

/** The indices that were found, and the reasons of the others. */
async function found(answer: ToolAnswer): Promise<{ indices: number[]; reasons: string[] }> {
  const leftOut: LeftOut[] = [];
  const gpus = await discoverGpus({ run: saying(answer), signal, onLeftOut: (gpu) => leftOut.push(gpu) });
  return { indices: gpus.map(({ index }) => index), reasons: leftOut.map(({ why }) => why) };
}

test("each GPU is known by its index, uuid, name, memory in bytes and driver", async () => {
  const gpus = await discoverGpus({ run: saying(ended(TWO_GPUS)), signal });
  expect(gpus).toHaveLength(2);
  expect(gpus[0]).toEqual({
    index: 0,
    uuid: "GPU-22b2c6ac-2d49-4863-197c-9c469071178a",
    name: "NVIDIA GeForce RTX 4090",
    totalBytes: 24_564 * MIB,
    freeBytes: 24_110 * MIB,
    driver: "535.161.08",
  });
});

test("a machine without the tool, or with the tool and no GPU, has none", async () => {
  expect(await found({ kind: "absent" })).toEqual({ indices: [], reasons: [] });
  expect(await found(ended(NO_DEVICES, 6))).toEqual({ indices: [], reasons: [] });
  expect(await found(ended(""))).toEqual({ indices: [], reasons: [] });
});

test("a GPU that is lost, partitioned or silent about its memory is left out with a reason, the others serve", async () => {
  expect(await found(ended(ONE_LOST, 255))).toEqual({
    indices: [0],
    reasons: ["it has not the form that was asked for", "it does not tell its memory ([Unknown Error])"],
  });
  expect((await found(ended(MIG))).reasons).toEqual([expect.stringContaining("MIG")]);
  expect((await found(ended(UNIFIED))).reasons).toEqual(["it does not tell its memory ([N/A])"]);
  const part = TWO_GPUS.replace("GPU-95ef", "MIG-95ef");
  expect(await found(ended(part))).toMatchObject({ indices: [0], reasons: [expect.stringContaining("MIG")] });
  const old = await found(ended(TWO_GPUS.replace("81559", "[Not Supported]")));
  expect(old).toEqual({ indices: [0], reasons: ["it does not tell its memory ([Not Supported])"] });
});

test("figures that cannot be and GPUs named twice are left out", async () => {
  const [line = ""] = TWO_GPUS.split("\n");
  expect(await found(ended(`${line}\n${line}\n`))).toEqual({ indices: [0], reasons: ["it is named twice"] });
  for (const wrong of [line.replace("24110", "99999"), line.replace("24564", "0")]) {
    const { indices, reasons } = await found(ended(wrong));
    expect({ indices, count: reasons.length }, wrong).toEqual({ indices: [], count: 1 });
  }
});

test("a driver that is broken, missing or silent is a fault of its own that says what to do", async () => {
  const codeOf = (answer: ToolAnswer): Promise<string> => faultCode(found(answer));
  expect(await codeOf(ended(MISMATCH, 18))).toBe("driver_mismatched");
  expect(await codeOf(ended(NOT_LOADED, 9))).toBe("driver_missing");
  expect(await codeOf({ kind: "overdue" })).toBe("driver_silent");
  expect(await codeOf({ kind: "excessive" })).toBe("gpu_unreadable");
  expect(await codeOf(ended("Segmentation fault", 139))).toBe("gpu_unreadable");
  expect(await codeOf(ended("<html>hello</html>"))).toBe("gpu_unreadable");
  await expect(found(ended(MISMATCH, 18))).rejects.toThrow("Restart the machine, or choose the device cpu");
});

test("a process's memory is summed over the GPUs, and unknown where nobody tells it", async () => {
  const of = (pid: number, answer: ToolAnswer = ended(PROCESSES)): Promise<number | undefined> =>
    gpuMemoryOf(pid, { run: saying(answer), signal });
  expect(await of(1234)).toBe((3_120 + 512) * MIB);
  expect(await of(12_345)).toBe(40_000 * MIB);
  expect(await of(77)).toBeUndefined();
  expect(await of(123)).toBeUndefined();
  expect(await of(1234, { kind: "absent" })).toBeUndefined();
  expect(await of(1234, ended(MISMATCH, 18))).toBeUndefined();
  expect(await faultCode(of(1234, { kind: "overdue" }))).toBe("driver_silent");
});
