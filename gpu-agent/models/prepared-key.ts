import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { arch, cpus } from "node:os";
import { z } from "zod";
import { invariant } from "#shared/domain/fault.ts";

/**
 * Names a prepared model: it may be loaded only by the runtime version and on the kind of processor it was optimised
 * for (the optimiser chooses layouts by instruction set).
 */
export function preparedKey(sha256: string): string {
  machine ??= `ort${packageVersion("onnxruntime-node")}-${processorKey()}`;
  return `${sha256}-${machine}`;
}

let machine: string | undefined;

/** `x64-` and twelve hexadecimal digits: equal where architecture, model name and instruction sets are equal. */
function processorKey(): string {
  const features = [arch(), cpus()[0]?.model ?? "", instructionSets()].join("\n");
  return `${arch()}-${createHash("sha256").update(features).digest("hex").slice(0, 12)}`;
}

/** Linux tells; elsewhere the processor's name stands for its instruction sets. */
function instructionSets(): string {
  try {
    return /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1] ?? "";
  } catch {
    return "";
  }
}

function packageVersion(name: string): string {
  const path = findPackageJSON(name, import.meta.url);
  invariant(path !== undefined, `the package ${name} is installed`);
  return z.object({ version: z.string().regex(/^[\w.-]+$/) }).parse(JSON.parse(readFileSync(path, "utf8")))
    .version;
}
