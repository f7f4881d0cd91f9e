import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { Fault } from "#shared/domain/fault.ts";
import type { ChannelOrder, ModelEntry } from "#shared/domain/model.ts";
import { moveIntoPlace } from "./file-digest.ts";
import type { ModelDigest } from "./model-trust.ts";
import { inspectOnnx } from "./onnx-inspection.ts";
import type { OnnxValue } from "./onnx-inspection.ts";

/**
 * Lets a file that was fetched, converted or copied become a model of the store: digest, form and tensor names are
 * checked, then it is moved to `pathOf(sha256)`. The file at `temporary` is gone afterwards, whatever happens.
 *
 * Throws Faults: `digest_mismatched`, `model_unreadable`, `model_unsafe` (weights outside the file),
 * `contract_mismatched` (not the inputs and outputs of the catalogue).
 */
export async function adoptModelFile(
  temporary: string,
  {
    entry,
    expected,
    pathOf,
  }: { entry: ModelEntry; expected: ModelDigest | undefined; pathOf: (sha256: string) => string },
): Promise<{ sha256: string; bytes: number }> {
  try {
    const file = await readFile(temporary);
    const sha256 = createHash("sha256").update(file).digest("hex");
    const bytes = expected?.bytes ?? entry.bytes ?? file.length;
    if ((expected !== undefined && expected.sha256 !== sha256) || bytes !== file.length) {
      throw new Fault(
        "conflict",
        "digest_mismatched",
        `This is not the known file of the model ${entry.id} (its SHA-256 or size differs). It was not taken over.`,
        { details: { expected, sha256, bytes: file.length } },
      );
    }
    checkContract(entry, file);
    await moveIntoPlace(temporary, pathOf(sha256));
    return { sha256, bytes: file.length };
  } finally {
    await rm(temporary, { force: true });
  }
}

const CHANNELS: Readonly<Record<ChannelOrder, number>> = { rgb: 3, bgr: 3, gray: 1, luma: 1, latent: 4 };

/**
 * The file's own interface against the catalogue's: the named tensors, the number of inputs, the channels of the picture.
 * What the catalogue leaves open is not compared; types and sizes are the loader's to check.
 */
export function checkContract(entry: ModelEntry, file: Uint8Array): void {
  const found = inspectOnnx(file);
  if (found.externalPaths.length > 0) {
    const message = `The model ${entry.id} keeps weights outside its file: only single files are accepted.`;
    throw new Fault("input", "model_unsafe", message, { details: found.externalPaths });
  }
  const { input, extra = [], output, layout } = entry.tensors;
  const differ = (why: string): never => {
    throw new Fault(
      "conflict",
      "contract_mismatched",
      `The file of the model ${entry.id} is another model: ${why}.`,
    );
  };
  const inputs = [input, ...extra];
  if (found.inputs.length !== inputs.length) differ(`it has ${found.inputs.length} inputs`);
  for (const name of namesOf(inputs)) if (!has(found.inputs, name)) differ(`it has no input ${name}`);
  const outputs = output.kind === "values" ? output.names : namesOf([output]);
  for (const name of outputs) if (!has(found.outputs, name)) differ(`it has no output ${name}`);
  const isOnly = output.kind !== "values" && output.name === undefined;
  if (isOnly && found.outputs.length !== 1) differ(`it has ${found.outputs.length} outputs`);

  const picture = found.inputs.find(({ name }) => name === input.name) ?? found.inputs[0];
  const channels = picture?.dims[layout === "nchw" ? 1 : 3];
  if (typeof channels !== "string" && channels !== CHANNELS[input.order]) {
    differ(`its picture has ${channels ?? "no"} channels`);
  }
}

function namesOf(tensors: readonly { readonly name?: string }[]): string[] {
  return tensors.flatMap(({ name }) => name ?? []);
}

function has(values: readonly OnnxValue[], name: string): boolean {
  return values.some((value) => value.name === name);
}
