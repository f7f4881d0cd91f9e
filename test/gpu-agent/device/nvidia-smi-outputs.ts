import type { RunTool, ToolAnswer } from "#agent/machine-tool.ts";

/** What nvidia-smi says in the field, in its own words: reports of its users, brought to the columns asked for here. */

export const TWO_GPUS = `0, GPU-22b2c6ac-2d49-4863-197c-9c469071178a, 24564, 24110, 535.161.08, NVIDIA GeForce RTX 4090
1, GPU-95ef7c5d-fc11-835b-cd38-2020193cf8e0, 81559, 81004, 535.161.08, NVIDIA A100-SXM4-80GB
`;

/** A GPU in MIG mode, read inside an unprivileged container. */
export const MIG = `0, GPU-09cb2925-9d01-5ca4-810b-6cdebe86b71a, [Insufficient Permissions], [Insufficient Permissions], 535.161.08, NVIDIA A100-SXM4-80GB
`;

/** DGX Spark: the GPU shares the processor's memory. */
export const UNIFIED = `0, GPU-2dee1e25-b3b5-007e-2b55-79f2d0f2ebe5, [N/A], [N/A], 580.126.09, NVIDIA GB10
`;

/** The second of three has fallen off the bus; exit code 255. */
export const ONE_LOST = `0, GPU-22b2c6ac-2d49-4863-197c-9c469071178a, 24564, 24110, 535.161.08, NVIDIA GeForce RTX 4090
Unable to determine the device handle for GPU 0000:02:00.0: Unknown Error
2, GPU-95ef7c5d-fc11-835b-cd38-2020193cf8e0, [Unknown Error], [GPU requires reset], 535.161.08, NVIDIA GeForce RTX 4090
`;

/** Exit code 18, on the standard output. */
export const MISMATCH = `Failed to initialize NVML: Driver/library version mismatch
NVML library version: 550.144
`;

/** Exit code 9. */
export const NOT_LOADED = `NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.

`;

/** Exit code 6. */
export const NO_DEVICES = "No devices were found\n";

/** `--query-compute-apps=gpu_uuid,pid,used_memory`. */
export const PROCESSES = `GPU-22b2c6ac-2d49-4863-197c-9c469071178a, 1234, 3120
GPU-95ef7c5d-fc11-835b-cd38-2020193cf8e0, 1234, 512
GPU-95ef7c5d-fc11-835b-cd38-2020193cf8e0, 12345, 40000
GPU-95ef7c5d-fc11-835b-cd38-2020193cf8e0, 77, [N/A]
`;

export function ended(out: string, code = 0): ToolAnswer {
  return { kind: "ended", code, out, err: "" };
}

export function saying(answer: ToolAnswer): RunTool {
  return async () => answer;
}
