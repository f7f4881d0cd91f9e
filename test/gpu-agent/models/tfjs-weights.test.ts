import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { halfToNumber, readTfjsModel } from "#agent/models/tfjs-weights.ts";
import type { TfjsModel } from "#agent/models/tfjs-weights.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { faultCode } from "./fault-code.ts";

async function readWeights(weights: object[], bytes: Uint8Array, paths = ["w.bin"]): Promise<TfjsModel> {
  await using folder = await temporaryFolder();
  const model = join(folder.path, "model.json");
  await writeFile(model, JSON.stringify({ modelTopology: {}, weightsManifest: [{ paths, weights }] }));
  await writeFile(join(folder.path, "w.bin"), bytes);
  return await readTfjsModel(model);
}

const spec = (name: string, count: number, more: object = {}) => ({
  name,
  shape: [count],
  dtype: "float32",
  ...more,
});

test("weights are read one after the other, each in its own form", async () => {
  const bytes = Buffer.alloc(4 + 8 + 2 + 4 + 4);
  bytes.writeFloatLE(1.5, 0);
  bytes.writeInt32LE(-7, 4);
  bytes.writeInt32LE(9, 8);
  bytes.set([0, 255], 12);
  bytes.writeUInt16LE(0x3c00, 14);
  bytes.writeUInt16LE(0xc100, 16);
  bytes.writeUInt16LE(0, 18);
  bytes.writeUInt16LE(65_535, 20);
  const { weights } = await readWeights(
    [
      spec("plain", 1),
      spec("whole", 2, { dtype: "int32" }),
      spec("bytes", 2, { quantization: { dtype: "uint8", scale: 0.5, min: -1 } }),
      spec("halves", 2, { quantization: { dtype: "float16", original_dtype: "float32" } }),
      spec("words", 2, { dtype: "int32", quantization: { dtype: "uint16", scale: 2, min: 1 } }),
    ],
    bytes,
  );
  const values = Object.fromEntries([...weights].map(([name, { data }]) => [name, [...data]]));
  expect(values).toEqual({
    plain: [1.5],
    whole: [-7, 9],
    bytes: [-1, 126.5],
    halves: [1, -2.5],
    words: [1, 131_071],
  });
});

test("half floats keep zero, subnormals, infinity and not-a-number", () => {
  expect(halfToNumber(0x0001)).toBe(2 ** -24);
  expect(halfToNumber(0x8000)).toBe(-0);
  expect(halfToNumber(0x7bff)).toBe(65_504);
  expect(halfToNumber(0xfc00)).toBe(-Infinity);
  expect(halfToNumber(0x7e00)).toBeNaN();
});

test("weights that are cut short, too long or of unknown form are refused before anything is built of them", async () => {
  const four = new Uint8Array(4);
  expect(await faultCode(readWeights([spec("w", 2)], four))).toBe("weights_invalid");
  expect(await faultCode(readWeights([spec("w", 0)], four))).toBe("weights_invalid");
  expect(await faultCode(readWeights([spec("w", 1e12)], four))).toBe("weights_invalid");
  expect(await faultCode(readWeights([spec("w", 1, { dtype: "string" })], four))).toBe("weights_invalid");
});

test("a shard is a file beside the manifest, never a path", async () => {
  for (const path of ["../w.bin", "/etc/hostname", "a/w.bin", "..", "missing.bin"]) {
    expect(await faultCode(readWeights([spec("w", 1)], new Uint8Array(4), [path])), path).toBe(
      "weights_invalid",
    );
  }
});

test("the integrity changes with every byte of the manifest and of the weights", async () => {
  const first = await readWeights([spec("w", 1)], Buffer.from([0, 0, 0, 0]));
  const again = await readWeights([spec("w", 1)], Buffer.from([0, 0, 0, 0]));
  const weights = await readWeights([spec("w", 1)], Buffer.from([0, 0, 0, 1]));
  const manifest = await readWeights([spec("v", 1)], Buffer.from([0, 0, 0, 0]));
  expect(again.integrity).toBe(first.integrity);
  expect(new Set([first.integrity, weights.integrity, manifest.integrity]).size).toBe(3);
});
