import { mkdir, readdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { openModelStore } from "#agent/models/model-store.ts";
import { ModelProto } from "#agent/models/onnx-schema.ts";
import { prepareModel } from "#agent/models/prepare-model.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { faultCode } from "./fault-code.ts";

/** Under this name a folder offers `fbcnn`, of which nobody has published a digest. */
const BY_NAME = "fbcnn_color.onnx";
const VOUCHED = { byName: true };

const picture = (name: string) => ({
  name,
  type: {
    tensorType: {
      elemType: 1,
      shape: { dim: [{ dimValue: 1 }, { dimValue: 3 }, { dimParam: "h" }, { dimParam: "w" }] },
    },
  },
});

/** A model with the tensors of `fbcnn` and one node; `location`: where its weights are said to lie. */
function modelFile(of: { op: string; domain?: string; location?: string }): Uint8Array {
  const { op, domain = "", location } = of;
  const weights = {
    name: "w",
    dims: [1],
    dataType: 1,
    dataLocation: 1,
    externalData: [
      { key: "location", value: location },
      { key: "length", value: "4" },
    ],
  };
  const isAlone = location === undefined;
  const graph = {
    name: "any",
    input: [picture("in")],
    output: [picture("out")],
    node: [{ opType: op, domain, input: isAlone ? ["in"] : ["in", "w"], output: ["out"] }],
    initializer: isAlone ? [] : [weights],
  };
  const opsetImport = [{ domain: "", version: 17 }, ...(domain === "" ? [] : [{ domain, version: 1 }])];
  return ModelProto.encode({ irVersion: 8, opsetImport, graph }).finish();
}

const sound = modelFile({ op: "Relu" });

test("a truncated file is never handed out, the other models stay, and installing repairs it", async () => {
  await using folder = await temporaryFolder();
  const first = openModelStore({ dir: folder.path });
  await first.install("blazeface");
  await first.install("facemesh");
  const { path } = await first.locate("blazeface");
  for (const bytes of [0, 1_000]) {
    await truncate(path, bytes);
    // The process that has read it whole, and one that has not.
    for (const store of [first, openModelStore({ dir: folder.path })]) {
      expect(await faultCode(store.locate("blazeface"))).toBe("model_corrupt");
      expect(await faultCode(store.prepare("blazeface"))).toBe("model_corrupt");
      expect(await faultCode(store.verify("blazeface"))).toBe("model_corrupt");
      expect((await store.available()).map(({ id }) => id)).toEqual(["facemesh"]);
      expect(await store.locate("facemesh")).toMatchObject({ entry: { id: "facemesh" } });
    }
    await first.install("blazeface");
    expect(await first.verify("blazeface")).toMatchObject({ id: "blazeface" });
  }
});

test.each(["truncated", "a link out of its folder"])(
  "a prepared form of which a file is %s is never handed out, and preparing repairs it",
  async (kind) => {
    await using folder = await temporaryFolder();
    await using outside = await temporaryFolder();
    const first = openModelStore({ dir: folder.path });
    await first.install("blazeface");
    const graph = await first.prepare("blazeface");
    for (const name of ["m.onnx", "m.bin", "manifest.json"]) {
      const path = join(dirname(graph), name);
      if (kind === "truncated") await truncate(path, 10);
      else {
        // The very bytes, where somebody else may change them.
        await rename(path, join(outside.path, name));
        await symlink(join(outside.path, name), path);
      }
      for (const store of [first, openModelStore({ dir: folder.path })])
        expect(await faultCode(store.locate("blazeface")), name).toBe("model_corrupt");
      expect(await first.prepare("blazeface")).toBe(graph);
      expect((await first.locate("blazeface")).prepared).toBe(graph);
    }
  },
);

test.each(["../../etc/passwd", "/etc/passwd", "link.bin", "beside.bin", ""])(
  "a model that keeps its weights at '%s' is not taken over, and a sound one still is",
  async (location) => {
    await using folder = await temporaryFolder();
    await symlink("/etc/passwd", join(folder.path, "link.bin"));
    await writeFile(join(folder.path, "beside.bin"), Float32Array.of(2));
    await writeFile(join(folder.path, BY_NAME), modelFile({ op: "Mul", location }));
    await using target = await temporaryFolder();
    const store = openModelStore({ dir: target.path });
    const report = await store.importFolder(folder.path, VOUCHED);
    expect(report.imported).toEqual([]);
    expect(report.skipped).toMatchObject([{ fileName: BY_NAME }]);
    expect(report.skipped[0]?.why).toContain("keeps weights outside its file");
    expect(await store.available()).toEqual([]);
    expect(await readdir(join(target.path, "arriving"))).toEqual([]);

    await writeFile(join(folder.path, BY_NAME), sound);
    expect(await store.importFolder(folder.path, VOUCHED)).toEqual({ imported: ["fbcnn"], skipped: [] });
  },
);

test.each([
  ["that leaves its folder", () => "../outside.bin"],
  ["that is absolute", (root: string) => join(root, "outside.bin")],
  ["that is a link out of its folder", () => "link.bin"],
])("preparing reads no weights under a path %s, even of a file that got so far", async (_name, locate) => {
  await using folder = await temporaryFolder();
  const inside = join(folder.path, "in");
  await mkdir(inside);
  await writeFile(join(folder.path, "outside.bin"), Float32Array.of(2));
  await symlink("../outside.bin", join(inside, "link.bin"));
  const source = join(inside, "m.onnx");
  const request = {
    id: "m",
    source,
    sha256: "a".repeat(64),
    root: join(folder.path, "prepared"),
    name: "it",
  };
  await writeFile(source, modelFile({ op: "Mul", location: locate(folder.path) }));
  expect(await faultCode(prepareModel(request))).toBe("model_unpreparable");
  expect(await readdir(request.root)).toEqual([]);

  // It was the path: the same weights beside the model are read.
  await rm(join(inside, "link.bin"));
  await writeFile(join(inside, "link.bin"), Float32Array.of(2));
  await writeFile(source, modelFile({ op: "Mul", location: "link.bin" }));
  expect(await prepareModel(request)).toBe(join(request.root, "it", "m.onnx"));
});

test.each([
  { op: "Sharpen", domain: "" },
  { op: "Relu", domain: "org.nowhere" },
])(
  "a model with an operator that the runtime does not know ('$domain:$op') is refused when it is prepared",
  async (of) => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, BY_NAME), modelFile(of));
    await using target = await temporaryFolder();
    const store = openModelStore({ dir: target.path });
    await store.install("blazeface");
    expect(await store.importFolder(folder.path, VOUCHED)).toEqual({ imported: ["fbcnn"], skipped: [] });
    expect(await faultCode(store.prepare("fbcnn"))).toBe("model_unpreparable");
    expect(await readdir(join(target.path, "prepared"))).toEqual([]);
    // Refused again, and alike; the others are prepared as ever.
    expect(await faultCode(store.prepare("fbcnn"))).toBe("model_unpreparable");
    await store.prepare("blazeface");
    expect((await store.available()).map(({ id, prepared }) => [id, prepared])).toEqual([
      ["fbcnn", false],
      ["blazeface", true],
    ]);
  },
);
