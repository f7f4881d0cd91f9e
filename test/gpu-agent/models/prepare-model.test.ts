import { readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { createOnnxGraph } from "#agent/models/onnx.ts";
import { prepareModel } from "#agent/models/prepare-model.ts";
import { checkPrepared } from "#agent/models/prepared-model.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { faultCode } from "./fault-code.ts";

const SHA256 = "a".repeat(64);

/** A model of `size` weights that the optimiser cannot fold away. */
function modelFile(size: number): Uint8Array {
  const graph = createOnnxGraph("any");
  const input = graph.input("input", [1, size]);
  graph.output(
    "output",
    graph.node("Mul", [input, graph.floats([1, size], new Float32Array(size).fill(2))]),
    [1, size],
  );
  return graph.encode();
}

const requestOf = (root: string) => ({
  id: "m",
  source: join(root, "m.onnx"),
  sha256: SHA256,
  root: join(root, "prepared"),
  name: "it",
});

test("weights move into a file of their own, unless they are all small", async () => {
  for (const [size, names] of [
    [4, ["m.onnx", "manifest.json"]],
    [4_096, ["m.bin", "m.onnx", "manifest.json"]],
  ] as const) {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "m.onnx"), modelFile(size));
    const graph = await prepareModel(requestOf(folder.path));
    expect(new Set(await readdir(dirname(graph)))).toEqual(new Set(names));
    const state = await checkPrepared(dirname(graph), { source: SHA256, depth: "full" });
    expect(state).toEqual({ kind: "sound", path: graph });
  }
});

test("weights that the manifest does not name make a prepared model unusable", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "m.onnx"), modelFile(4));
  const graph = await prepareModel(requestOf(folder.path));
  await writeFile(join(dirname(graph), "m.bin"), "surprise");
  expect(await checkPrepared(dirname(graph), { source: SHA256, depth: "quick" })).toMatchObject({
    kind: "damaged",
  });
});

test("a model that the runtime refuses leaves nothing behind", async () => {
  await using folder = await temporaryFolder();
  const { root, ...request } = requestOf(folder.path);
  await writeFile(request.source, "not a model");
  expect(await faultCode(prepareModel({ root, ...request }))).toBe("model_unpreparable");
  expect(await readdir(root)).toEqual([]);
});

test("preparing that takes too long is killed and may be tried again", async () => {
  await using folder = await temporaryFolder();
  const request = requestOf(folder.path);
  await writeFile(request.source, modelFile(4));
  expect(await faultCode(prepareModel({ ...request, timeoutMs: 1 }))).toBe("prepare_overdue");
  expect(await readdir(request.root)).toEqual([]);
  await prepareModel(request);
});

test("a caller who gives up gets his own reason back, and nothing is left", async () => {
  await using folder = await temporaryFolder();
  const request = requestOf(folder.path);
  await writeFile(request.source, modelFile(4));
  const reason = new Error("enough");
  await expect(prepareModel(request, AbortSignal.abort(reason))).rejects.toBe(reason);
  expect(await readdir(request.root)).toEqual([]);
});
