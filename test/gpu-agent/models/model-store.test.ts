import {
  copyFile,
  link,
  mkdir,
  readFile,
  rename,
  symlink,
  unlink,
  utimes,
  stat,
  writeFile,
} from "node:fs/promises";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { findModel } from "#shared/domain/catalogue.ts";
import { openModelStore } from "#agent/models/model-store.ts";
import type { ModelStore } from "#agent/models/model-store.ts";
import { createOnnxGraph } from "#agent/models/onnx.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { faultCode } from "./fault-code.ts";

const SHARED_MODELS = resolve(import.meta.dirname, "../../../../shared/models");

/** A store with the small face detector, converted from npm. */
async function storeWithBlazeface(): Promise<{ store: ModelStore; dir: string } & AsyncDisposable> {
  const folder = await temporaryFolder();
  const store = openModelStore({ dir: folder.path });
  await store.install("blazeface");
  return { store, dir: folder.path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

/** Changes one byte in the middle, and nothing that a look at the file would show. */
async function spoil(path: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  const bytes = await readFile(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(path, bytes);
  await utimes(path, atime, mtime);
}

test("an empty store has nothing, and says for every model how to get it", async () => {
  await using folder = await temporaryFolder();
  const store = openModelStore({ dir: join(folder.path, "not", "there", "yet") });
  expect(await store.available()).toEqual([]);
  await expect(store.locate("esrgan-thick")).rejects.toThrow("npm run models -- pull esrgan-thick");
  await expect(store.locate("hat-l-x4")).rejects.toThrow(
    "npm run models -- import FOLDER (with 4xNomos8kSCHAT-L.onnx)",
  );
  expect(await faultCode(store.locate("esrgan-thick"))).toBe("model_missing");
  expect(await faultCode(store.install("hat-l-x4"))).toBe("model_missing");
  expect(await faultCode(store.locate("no-such-model"))).toBe("model_unknown");
});

test("a model of an npm package is converted, located, prepared, and then located in its prepared form", async () => {
  await using there = await storeWithBlazeface();
  const { store } = there;
  const { sha256 = "", bytes } = findModel("blazeface") ?? {};
  expect(await store.available()).toEqual([{ id: "blazeface", sha256, bytes, prepared: false }]);
  const plain = await store.locate("blazeface");
  expect(plain).toMatchObject({ sha256, entry: { id: "blazeface" } });
  expect(plain.prepared).toBeUndefined();
  expect(plain.path).toContain(sha256);

  const graph = await store.prepare("blazeface");
  expect((await store.locate("blazeface")).prepared).toBe(graph);
  expect(await store.available()).toEqual([{ id: "blazeface", sha256, bytes, prepared: true }]);
  expect(await store.verify("blazeface")).toEqual({ id: "blazeface", sha256, bytes, prepared: true });
});

test("preparing the same model at the same time gives one sound result to all", async () => {
  await using there = await storeWithBlazeface();
  const other = openModelStore({ dir: there.dir });
  const [first, second] = await Promise.all([there.store.prepare("blazeface"), other.prepare("blazeface")]);
  expect(second).toBe(first);
  expect(await other.verify("blazeface")).toMatchObject({ prepared: true });
});

test("a file whose bytes changed is never handed out, and installing repairs it", async () => {
  await using there = await storeWithBlazeface();
  const { path } = await there.store.locate("blazeface");
  await spoil(path);
  // Another process: it has read nothing yet.
  const store = openModelStore({ dir: there.dir });
  expect(await faultCode(store.locate("blazeface"))).toBe("model_corrupt");
  expect(await faultCode(store.prepare("blazeface"))).toBe("model_corrupt");
  expect(await faultCode(there.store.verify("blazeface"))).toBe("model_corrupt");
  await store.install("blazeface");
  expect(await store.locate("blazeface")).toMatchObject({ path });
});

test("a prepared form whose bytes changed is never handed out, and preparing repairs it", async () => {
  await using there = await storeWithBlazeface();
  const graph = await there.store.prepare("blazeface");
  for (const name of ["m.onnx", "m.bin", "manifest.json"]) {
    await spoil(join(dirname(graph), name));
    const store = openModelStore({ dir: there.dir });
    expect(await faultCode(store.locate("blazeface")), name).toBe("model_corrupt");
    expect(await store.prepare("blazeface")).toBe(graph);
    expect((await store.locate("blazeface")).prepared).toBe(graph);
  }
});

test("a prepared form is bound to its source, and weights it does not know are not accepted", async () => {
  await using there = await storeWithBlazeface();
  const graph = await there.store.prepare("blazeface");
  await there.store.install("facemesh");
  const other = dirname(await there.store.prepare("facemesh"));
  await rename(other, `${other}-away`);
  await rename(dirname(graph), other);
  expect(await faultCode(openModelStore({ dir: there.dir }).locate("facemesh"))).toBe("model_corrupt");
});

test("links are not followed, and a file with a second name is not trusted", async () => {
  await using there = await storeWithBlazeface();
  const { path } = await there.store.locate("blazeface");
  await link(path, `${path}.second`);
  expect(await faultCode(openModelStore({ dir: there.dir }).locate("blazeface"))).toBe("model_corrupt");
  await unlink(path);
  await symlink(`${path}.second`, path);
  const store = openModelStore({ dir: there.dir });
  expect(await faultCode(store.locate("blazeface"))).toBe("model_corrupt");
  expect(await store.available()).toEqual([]);
  await store.install("blazeface");
  expect(await store.verify("blazeface")).toMatchObject({ id: "blazeface" });
});

test("known files of a folder are taken over by their bytes, whatever they are called", async () => {
  await using there = await storeWithBlazeface();
  await using folder = await temporaryFolder();
  const { path } = await there.store.locate("blazeface");
  await copyFile(path, join(folder.path, "any name.onnx"));
  await symlink(path, join(folder.path, "a-link.onnx"));
  await writeFile(join(folder.path, "unknown.onnx"), "not a model");
  await mkdir(join(folder.path, "a-folder.onnx"));

  await using target = await temporaryFolder();
  const store = openModelStore({ dir: target.path });
  expect(await store.importFolder(folder.path)).toEqual({ imported: ["blazeface"], skipped: [] });
  expect(await store.verify("blazeface")).toMatchObject({ prepared: false });
  expect(await store.importFolder(folder.path)).toEqual({ imported: [], skipped: [] });
  expect(await faultCode(store.importFolder(join(folder.path, "nowhere")))).toBe("folder_unreadable");
});

test("a model without a published digest is taken over by name only when a person says so, and only if it fits", async () => {
  await using there = await storeWithBlazeface();
  await using folder = await temporaryFolder();
  const { path } = await there.store.locate("blazeface");
  const graph = createOnnxGraph("a restorer of any size");
  graph.output("out", graph.input("in", [1, 3, "h", "w"]), [1, 3, "h", "w"]);
  await writeFile(join(folder.path, "fbcnn_color.onnx"), graph.encode());
  await copyFile(path, join(folder.path, "ddcolor.onnx"));
  await using target = await temporaryFolder();
  const store = openModelStore({ dir: target.path });
  expect(await store.importFolder(folder.path)).toEqual({ imported: ["blazeface"], skipped: [] });
  const report = await store.importFolder(folder.path, { byName: true });
  expect(report.imported).toEqual(["fbcnn"]);
  expect(report.skipped).toMatchObject([{ fileName: "ddcolor.onnx" }]);
  expect(await store.verify("fbcnn")).toMatchObject({ id: "fbcnn" });
});

test("the known models that lie beside the checkout are all recognised, and are what the catalogue says", async (context) => {
  if (!existsSync(SHARED_MODELS)) return context.skip("no ../shared/models beside the checkout");
  await using target = await temporaryFolder();
  const store = openModelStore({ dir: target.path, extraDirs: [SHARED_MODELS] });
  const { imported, skipped } = await store.importFolder(SHARED_MODELS);
  expect(skipped).toEqual([]);
  expect(imported).toHaveLength(19);
  await store.install("yunet-640");
  expect(await store.locate("yunet")).toMatchObject({
    entry: { tensors: { input: { order: "bgr", high: 255 } } },
  });
});
