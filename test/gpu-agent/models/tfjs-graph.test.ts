import { expect, test } from "vitest";
import type { TensorContract } from "#shared/domain/model.ts";
import { convertGraphModel } from "#agent/models/tfjs-graph.ts";
import type { TfjsModel, TfjsTensor } from "#agent/models/tfjs-weights.ts";
import { runOnnx } from "./run-onnx.ts";
import { faultCode } from "./fault-code.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const list = (...i: number[]) => ({ list: { i: i.map(String) } });
const spatial = (padding: "SAME" | "VALID", stride = 1) => ({
  strides: list(1, stride, stride, 1),
  padding: { s: base64(padding) },
  data_format: { s: base64("NHWC") },
});
const port = (name: string, ...shape: number[]) => ({
  name: `${name}:0`,
  tensorShape: { dim: shape.map((size) => ({ size: String(size) })) },
});
const node = (op: string, name: string, input: string[] = [], attr: object = {}) => ({
  op,
  name,
  input,
  attr,
});

/** A graph over one 1 × 2 picture with the pixels (1, 2, 3) and (4, 5, 6), and one output `y` of the given shape. */
function model(nodes: object[], constants: Record<string, TfjsTensor>, shape: number[]): TfjsModel {
  const consts = Object.keys(constants).map((name) => node("Const", name));
  return {
    topology: { node: [...nodes, node("Placeholder", "x"), ...consts] },
    signature: { inputs: { x: port("x", -1, 1, 2, 3) }, outputs: { "y:0": port("y", ...shape) } },
    weights: new Map(Object.entries(constants)),
    integrity: "",
  };
}

const floats = (shape: number[], ...data: number[]): TfjsTensor => ({
  type: "float32",
  shape,
  data: Float32Array.from(data),
});
const ints = (shape: number[], ...data: number[]): TfjsTensor => ({
  type: "int32",
  shape,
  data: Int32Array.from(data),
});

const CONTRACT: TensorContract = {
  layout: "nhwc",
  input: { name: "x", order: "rgb", low: 0, high: 1 },
  output: { kind: "values", names: ["y"] },
};

async function run(source: TfjsModel): Promise<number[]> {
  const picture = { data: Float32Array.of(1, 2, 3, 4, 5, 6), dims: [1, 1, 2, 3] };
  const outputs = await runOnnx(convertGraphModel(source), CONTRACT, picture);
  return [...(outputs["y"] ?? [])];
}

test("a fused convolution applies kernel, bias and slope in TensorFlow's layout", async () => {
  // Two outputs: r − g + 1 and b − 2, the second negative half scaled by 0.5.
  const fused = { list: { s: [base64("BiasAdd"), base64("Prelu")] } };
  const nodes = [
    node("_FusedConv2D", "y", ["x", "k", "b", "slope"], { ...spatial("VALID"), fused_ops: fused }),
  ];
  const constants = {
    k: floats([1, 1, 3, 2], 1, 0, -1, 0, 0, 1),
    b: floats([2], 1, -5),
    slope: floats([1, 1, 2], 0.25, 0.5),
  };
  expect(await run(model(nodes, constants, [1, 1, 2, 2]))).toEqual([0, -1, 0, 1]);
});

test("a depthwise convolution treats every channel apart, and SAME pads the end first", async () => {
  // 1 × 2 kernel, left + 10 · right: the right neighbour of the last pixel is padding.
  const nodes = [node("DepthwiseConv2dNative", "y", ["x", "k"], spatial("SAME"))];
  const constants = { k: floats([1, 2, 3, 1], 1, 2, 3, 10, 20, 30) };
  expect(await run(model(nodes, constants, [1, 1, 2, 3]))).toEqual([41, 104, 189, 4, 10, 18]);
});

test("pooling, padding of channels and reshaping keep TensorFlow's order", async () => {
  const nodes = [
    node("MaxPool", "pooled", ["x"], { ...spatial("VALID"), ksize: list(1, 1, 2, 1) }),
    node("Pad", "padded", ["pooled", "paddings"]),
    node("Reshape", "flat", ["padded", "shape"]),
    node("Sigmoid", "squashed", ["zero"]),
    node("Identity", "y", ["flat:0", "^squashed"]),
  ];
  const constants = {
    paddings: ints([4, 2], 0, 0, 0, 0, 0, 0, 1, 2),
    shape: ints([2], 1, -1),
    zero: floats([1], 0),
  };
  expect(await run(model(nodes, constants, [1, 6]))).toEqual([0, 4, 5, 6, 0, 0]);
});

test("what does not depend on the picture is computed once, at conversion", async () => {
  const nodes = [
    node("Mul", "six", ["two", "three"]),
    node("Reshape", "row", ["six", "shape"]),
    node("AddV2", "y", ["x", "row"]),
  ];
  const constants = { two: floats([3], 2, 2, 2), three: floats([], 3), shape: ints([3], 1, 1, -1) };
  const source = model(nodes, constants, [1, 1, 2, 3]);
  expect(await run(source)).toEqual([7, 8, 9, 10, 11, 12]);
  const text = Buffer.from(convertGraphModel(source)).toString("latin1");
  expect(text).toContain("Add");
  expect(text).not.toContain("Mul");
});

test("an operator that is not known is named in the fault", async () => {
  const convert = (nodes: object[], constants = {}): Promise<Uint8Array> =>
    Promise.resolve().then(() => convertGraphModel(model(nodes, constants, [1, 1, 2, 3])));
  await expect(convert([node("FFT", "y", ["x"])])).rejects.toThrow("FFT");
  expect(await faultCode(convert([node("FFT", "y", ["x"])]))).toBe("operator_unsupported");
  expect(await faultCode(convert([node("Exp", "y", ["c"])], { c: floats([1], 1) }))).toBe(
    "operator_unsupported",
  );
  expect(await faultCode(convert([node("Reshape", "y", ["x", "x"])]))).toBe("operator_unsupported");
  expect(await faultCode(convert([node("Relu", "y", ["x:1"])]))).toBe("operator_unsupported");
});

test("a graph that refers to nothing, or to itself, is refused as malformed", async () => {
  const convert = (nodes: object[]): Promise<Uint8Array> =>
    Promise.resolve().then(() => convertGraphModel(model(nodes, {}, [1, 1, 2, 3])));
  expect(await faultCode(convert([node("Relu", "y", ["nowhere"])]))).toBe("topology_invalid");
  expect(await faultCode(convert([node("Relu", "y", ["a"]), node("Relu", "a", ["y"])]))).toBe(
    "topology_invalid",
  );
  expect(await faultCode(convert([]))).toBe("topology_invalid");
  expect(await faultCode(convert([node("Const", "y")]))).toBe("topology_invalid");
});
