import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findModel } from "#shared/domain/catalogue.ts";
import type { TensorContract } from "#shared/domain/model.ts";
import { openSession } from "#agent/worker/session.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";

type Feed = { data: Float32Array; dims: readonly number[] };

/** Runs a model as the worker does, and gives its outputs by name; `tensors` is what the bytes should be. */
export async function runOnnx(
  bytes: Uint8Array,
  tensors: TensorContract,
  feed: Feed,
): Promise<Record<string, Float32Array>> {
  const some = findModel("esrgan-thick");
  if (some === undefined) throw new Error("the catalogue has it");
  await using folder = await temporaryFolder();
  const path = join(folder.path, "m.onnx");
  await writeFile(path, bytes);
  const entry = { ...some, id: "under-test", tensors };
  const session = await openSession({ entry, path, isPrepared: false }, { threads: 1 });
  try {
    return await session.run({ [session.imageInput]: feed });
  } finally {
    await session.release();
  }
}
