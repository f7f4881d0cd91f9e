import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { findModel } from "#shared/domain/catalogue.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { checkContract } from "#agent/models/model-adoption.ts";
import { convertNpmModel } from "#agent/models/npm-model.ts";
import { runOnnx } from "./run-onnx.ts";
// What TensorFlow.js 4.22 computes from the unconverted files, on its plain CPU backend, for the pictures made below.
import expected from "./tfjs-values.json" with { type: "json" };

async function convert(id: string): Promise<{ entry: ModelEntry; bytes: Uint8Array }> {
  const entry = findModel(id);
  if (entry?.source.kind !== "npm") throw new Error(`${id} comes from npm`);
  return { entry, bytes: await convertNpmModel(entry, entry.source) };
}

/** A smooth picture with values from `low` to `high`, in the order [height, width, channel]. */
function wave(length: number, low: number, high: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => low + (high - low) * (0.5 + 0.5 * Math.sin(i * 0.37)));
}

test("converting a package gives the very file that the catalogue names, with the tensors it promises", async () => {
  for (const id of ["esrgan-thick", "blazeface", "facemesh"]) {
    const { entry, bytes } = await convert(id);
    expect(createHash("sha256").update(bytes).digest("hex"), id).toBe(entry.sha256);
    expect(bytes.length, id).toBe(entry.bytes);
    checkContract(entry, bytes);
  }
});

test("the converted upscaler computes what TensorFlow.js computes from the original", async () => {
  const { entry, bytes } = await convert("esrgan-thick");
  const pixels = wave(8 * 8 * 3, 0, 1);
  const planes = Float32Array.from(
    { length: pixels.length },
    (_, i) => pixels[(i % 64) * 3 + Math.floor(i / 64)] ?? 0,
  );
  const { output = new Float32Array(0) } = await runOnnx(bytes, entry.tensors, {
    data: planes,
    dims: [1, 3, 8, 8],
  });
  expect(output).toHaveLength(3 * 32 * 32);
  const { samples, sums } = expected["esrgan-thick"];
  for (const [y = 0, x = 0, ...colour] of samples) {
    colour.forEach((value, channel) => expect(output[(channel * 32 + y) * 32 + x]).toBeCloseTo(value, 5));
  }
  sums.forEach((value, channel) => {
    const plane = output.subarray(channel * 1_024, (channel + 1) * 1_024);
    expect(plane.reduce((sum, pixel) => sum + pixel, 0)).toBeCloseTo(value, 2);
  });
});

test("the converted face models compute what TensorFlow.js computes from the originals", async () => {
  for (const id of ["blazeface", "facemesh"] as const) {
    const { entry, bytes } = await convert(id);
    const { low, high, size } = entry.tensors.input;
    const { width, height } = size ?? { width: 0, height: 0 };
    const data = wave(width * height * 3, low, high);
    const outputs = await runOnnx(bytes, entry.tensors, { data, dims: [1, height, width, 3] });
    for (const [name, { length, values }] of Object.entries(expected[id])) {
      expect(outputs[name], name).toHaveLength(length);
      for (const [index = 0, value = 0] of values)
        expect(outputs[name]?.[index], `${name} ${index}`).toBeCloseTo(value, 3);
    }
  }
});
