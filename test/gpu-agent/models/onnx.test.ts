import { expect, test } from "vitest";
import { inspectOnnx } from "#agent/models/onnx-inspection.ts";
import { ModelProto } from "#agent/models/onnx-schema.ts";
import { createOnnxGraph } from "#agent/models/onnx.ts";
import { runOnnx } from "./run-onnx.ts";
import { faultCode } from "./fault-code.ts";

/** output = relu(input × 2 − 1), as [1, 1, 1, w]. */
function smallGraph(): Uint8Array {
  const graph = createOnnxGraph("small");
  const input = graph.input("input", [1, 1, 1, "w"]);
  const doubled = graph.node("Mul", [input, graph.floats([], Float32Array.of(2))]);
  const shifted = graph.node("Add", [doubled, graph.floats([1], Float32Array.of(-1))]);
  graph.output("output", graph.node("Relu", [shifted]), [1, 1, 1, "w"]);
  return graph.encode();
}

const encode = (graph: object, more: object = {}): Uint8Array =>
  ModelProto.encode({ irVersion: 8, graph, ...more }).finish();
const outside = (location: string) => ({
  name: "w",
  dims: [1],
  dataType: 1,
  dataLocation: 1,
  externalData: [{ key: "location", value: location }],
});

test("a written graph computes what it says", async () => {
  const image = { order: "gray", low: 0, high: 1 } as const;
  const outputs = await runOnnx(
    smallGraph(),
    {
      layout: "nchw",
      input: { name: "input", ...image },
      output: { kind: "image", name: "output", ...image },
    },
    { data: Float32Array.of(0, 0.5, 0.75, 2), dims: [1, 1, 1, 4] },
  );
  expect([...(outputs["output"] ?? [])]).toEqual([0, 0, 0.5, 3]);
});

test("the same graph written twice is the same file, byte for byte", () => {
  expect(Buffer.from(smallGraph()).equals(Buffer.from(smallGraph()))).toBe(true);
});

test("an inspection tells inputs, outputs, operators and opset without running anything", () => {
  const found = inspectOnnx(smallGraph());
  expect(found.inputs).toEqual([{ name: "input", type: 1, dims: [1, 1, 1, "w"] }]);
  expect(found.outputs).toEqual([{ name: "output", type: 1, dims: [1, 1, 1, "w"] }]);
  expect(found.opsets).toEqual({ "": 17 });
  expect(Object.fromEntries(found.operators)).toEqual({ Mul: 1, Add: 1, Relu: 1, Identity: 1 });
  expect(found.externalPaths).toEqual([]);
});

test("an input that is only an initialiser is not taken for an input", () => {
  const value = (name: string) => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 1 }] } } },
  });
  const bytes = encode({
    input: [value("x"), value("w")],
    initializer: [{ name: "w", dims: [1], dataType: 1 }],
  });
  expect(inspectOnnx(bytes).inputs.map(({ name }) => name)).toEqual(["x"]);
});

test("weights outside the file are found wherever a file can hide them", () => {
  const inAttribute = { node: [{ opType: "Constant", attribute: [{ name: "value", t: outside("a") }] }] };
  const hidden: Record<string, Uint8Array> = {
    "../../etc/passwd": encode({ initializer: [outside("../../etc/passwd")] }),
    a: encode(inAttribute),
    b: encode({
      node: [{ opType: "If", attribute: [{ name: "then_branch", g: { initializer: [outside("b")] } }] }],
    }),
    c: encode({ sparseInitializer: [{ values: outside("c") }] }),
    d: encode({
      node: [{ opType: "Loop", attribute: [{ name: "bodies", graphs: [{ initializer: [outside("d")] }] }] }],
    }),
    "": encode({ initializer: [{ name: "w", dims: [1], dataType: 1, dataLocation: 1 }] }),
  };
  for (const [path, bytes] of Object.entries(hidden))
    expect(inspectOnnx(bytes).externalPaths).toEqual([path]);
  expect(inspectOnnx(encode({}, { functions: [inAttribute] })).externalPaths).toEqual(["a"]);
});

test("bytes that are no model are refused with a sentence, not a crash", async () => {
  const cut = smallGraph().subarray(0, 100);
  for (const bytes of [
    new Uint8Array(0),
    Buffer.from("<html>not found</html>"),
    cut,
    new Uint8Array(1_000).fill(0xff),
  ]) {
    expect(await faultCode(Promise.resolve().then(() => inspectOnnx(bytes)))).toBe("model_unreadable");
  }
});
