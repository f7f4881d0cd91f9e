import { Fault } from "#shared/domain/fault.ts";
import { toolRunner } from "../machine-tool.ts";
import type { RunTool } from "../machine-tool.ts";

/** A GPU whose memory can be planned with. */
export interface Gpu {
  /** As nvidia-smi counts: by the place on the PCI bus. CUDA counts differently unless it is told to. */
  readonly index: number;
  /** `GPU-…`: the same after every restart, whatever else is plugged in. */
  readonly uuid: string;
  readonly name: string;
  readonly totalBytes: number;
  /** At the moment of asking. */
  readonly freeBytes: number;
  readonly driver: string;
}

/** What nvidia-smi said of a GPU that cannot be used, and why not: for the operator's log. */
export interface LeftOut {
  readonly line: string;
  readonly why: string;
}

type Ask = {
  readonly run?: RunTool;
  readonly signal: AbortSignal;
  readonly onLeftOut?: (gpu: LeftOut) => void;
};

const TOOL = "nvidia-smi";
const FORMAT = "--format=csv,noheader,nounits";
/** The name last: whatever stands in it, the columns before it stay where they are. */
const COLUMNS = "index,uuid,memory.total,memory.free,driver_version,name";
const MIB = 2 ** 20;
const LINES_MAX = 256;
const LINE_CHARS_MAX = 300;

/**
 * The NVIDIA GPUs of this machine, in nvidia-smi's order; none where it is not installed or finds none. One that is
 * lost, partitioned (MIG) or will not tell its memory (it shares the processor's, as GB10 does) is left out and told to
 * `onLeftOut`; the others serve.
 *
 * @throws Faults where the machine should have GPUs and does not show any: conflict `driver_mismatched` (updated while it
 * was loaded), conflict `driver_missing` (not loaded), busy `driver_silent` (nvidia-smi hangs), conflict `gpu_unreadable`.
 */
export async function discoverGpus({ run = toolRunner(), signal, onLeftOut }: Ask): Promise<readonly Gpu[]> {
  const answer = await run(TOOL, [`--query-gpu=${COLUMNS}`, FORMAT], signal);
  if (answer.kind === "absent") return [];
  if (answer.kind === "overdue") throw driverSilent();
  const out = answer.kind === "ended" ? answer.out : "";
  const gpus: Gpu[] = [];
  const leftOut: LeftOut[] = [];
  for (const line of linesOf(out)) {
    const gpu = gpuOf(line);
    if (typeof gpu === "string") leftOut.push({ line, why: gpu });
    else if (gpus.some(({ uuid, index }) => uuid === gpu.uuid || index === gpu.index))
      leftOut.push({ line, why: "it is named twice" });
    else gpus.push(gpu);
  }
  // The exit code alone says little: with one lost GPU or a damaged infoROM the sound ones are listed all the same.
  const isListed = gpus.length > 0 || leftOut.some(({ why }) => why !== UNKNOWN_FORM);
  if (!isListed) {
    if (answer.kind === "ended" && isEmptyMachine(answer)) return [];
    throw troubleOf(answer.kind === "ended" ? `${out}\n${answer.err}` : "");
  }
  for (const gpu of leftOut) onLeftOut?.(gpu);
  return gpus;
}

/**
 * Bytes that a process of this machine holds on all GPUs together; undefined where nobody says: no nvidia-smi, a
 * process that is not listed (it holds nothing, or is known by another id outside its container), `[N/A]` (WSL).
 * @throws Fault busy `driver_silent`.
 */
export async function gpuMemoryOf(
  pid: number,
  { run = toolRunner(), signal }: Omit<Ask, "onLeftOut">,
): Promise<number | undefined> {
  const answer = await run(TOOL, ["--query-compute-apps=gpu_uuid,pid,used_memory", FORMAT], signal);
  if (answer.kind === "overdue") throw driverSilent();
  if (answer.kind !== "ended" || answer.code !== 0) return undefined;
  let bytes: number | undefined;
  for (const line of linesOf(answer.out)) {
    const [, process, used] = line.split(",").map((cell) => cell.trim());
    if (process !== String(pid)) continue;
    const held = mibOf(used);
    if (held === undefined) return undefined;
    bytes = (bytes ?? 0) + held;
  }
  return bytes;
}

const UNKNOWN_FORM = "it has not the form that was asked for";

/** The GPU of a line, or why it is none. */
function gpuOf(line: string): Gpu | string {
  const [index = "", uuid = "", total = "", free = "", driver = "", ...rest] = line
    .split(",")
    .map((cell) => cell.trim());
  if (uuid.startsWith("MIG-")) return "it is a part of a GPU (MIG), for which nothing is planned";
  if (!/^\d{1,3}$/.test(index) || !/^GPU-[0-9a-f-]{8,64}$/i.test(uuid) || rest.length === 0)
    return UNKNOWN_FORM;
  const totalBytes = mibOf(total);
  const freeBytes = mibOf(free);
  if (totalBytes === undefined || freeBytes === undefined) {
    const said = totalBytes === undefined ? total : free;
    return /permission/i.test(said)
      ? "its memory may not be read (MIG is on, or the container lacks permission)"
      : `it does not tell its memory (${said})`;
  }
  if (totalBytes === 0 || freeBytes > totalBytes) return "what it says of its memory cannot be";
  return { index: Number(index), uuid, name: rest.join(", "), totalBytes, freeBytes, driver };
}

/** Bytes of a whole number of MiB; undefined for `[N/A]`, `[Not Supported]`, `[Unknown Error]` and the like. */
function mibOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) * MIB : undefined;
}

function linesOf(out: string): string[] {
  return out
    .split("\n")
    .map((line) => line.trim().slice(0, LINE_CHARS_MAX))
    .filter((line) => line !== "")
    .slice(0, LINES_MAX);
}

/** A machine with the tool but without a GPU: exit code 6, or nothing said at all. */
function isEmptyMachine({ code, out, err }: { code: number; out: string; err: string }): boolean {
  return /^no devices were found/im.test(out) || (code === 0 && `${out}${err}`.trim() === "");
}

function driverSilent(): Fault {
  return new Fault(
    "busy",
    "driver_silent",
    "nvidia-smi does not answer: a GPU or its driver hangs. Restart the machine, or choose the device cpu.",
  );
}

function troubleOf(text: string): Fault {
  const details = text.trim().slice(0, 2_000);
  if (/version mismatch/i.test(text)) {
    const message =
      "The NVIDIA driver was updated while it was loaded (driver/library version mismatch). Restart the machine, or choose the device cpu.";
    return new Fault("conflict", "driver_mismatched", message, { details });
  }
  if (
    /couldn't communicate with the NVIDIA driver|driver is not loaded|NVML: (?:Driver Not Loaded|GPU access blocked)/i.test(
      text,
    )
  ) {
    const message =
      "nvidia-smi is installed but the NVIDIA driver is not running. Load or install it, or choose the device cpu.";
    return new Fault("conflict", "driver_missing", message, { details });
  }
  const message =
    "nvidia-smi failed or said something unknown, so no GPU can be used. Run nvidia-smi and mend what it says, or choose the device cpu.";
  return new Fault("conflict", "gpu_unreadable", message, { details });
}
