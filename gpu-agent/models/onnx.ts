import { ATTRIBUTE_TYPE, DATA_TYPE, ModelProto } from "./onnx-schema.ts";

/** The oldest opset that has every operator written here in its present form, and the IR version that came with it. */
const OPSET = 17;
const IR_VERSION = 8;

type AttributeMessage = {
  name: string;
  type: number;
  f?: number;
  i?: number;
  s?: Uint8Array;
  ints?: readonly number[];
};
type TensorMessage = { name: string; dims: readonly number[]; dataType: number; rawData: Uint8Array };

/** An attribute's value: one key names its ONNX type. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] };

/** A dimension: a number, or a name for what is only known at run time. */
type OnnxDimension = number | string;

/** A graph being written. Every method returns the name of the value it adds, to be used as an input of later nodes. */
export type OnnxGraph = {
  input(name: string, dims: readonly OnnxDimension[]): string;
  /** Names `value` as an output of the graph. */
  output(name: string, value: string, dims: readonly OnnxDimension[]): void;
  /** A float32 constant; `dims` of [] is a scalar. */
  floats(dims: readonly number[], data: Float32Array): string;
  /** A one-dimensional int64 constant. */
  ints(data: readonly number[]): string;
  /** A node of one output. An empty input name is an omitted optional input. */
  node(op: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>): string;
  /** The `.onnx` file. The same calls in the same order give the same bytes. */
  encode(): Uint8Array;
};

/**
 * A writer of the ONNX subset that the converters need: float32 tensors in and out, float32 and int64 constants,
 * nodes of one output. Values are named v0, v1, … in the order of the calls, so that the file is reproducible.
 */
export function createOnnxGraph(name: string): OnnxGraph {
  const nodes: object[] = [];
  const initializers: TensorMessage[] = [];
  const inputs: object[] = [];
  const outputs: object[] = [];
  let values = 0;

  const constant = (dims: readonly number[], dataType: number, rawData: Uint8Array): string => {
    const value = `v${values++}`;
    initializers.push({ name: value, dims, dataType, rawData });
    return value;
  };
  const addNode = (
    op: string,
    from: readonly string[],
    to: string,
    attribute: AttributeMessage[],
  ): string => {
    nodes.push({ opType: op, name: to, input: from, output: [to], attribute });
    return to;
  };

  return {
    input(inputName, dims) {
      inputs.push(valueInfo(inputName, dims));
      return inputName;
    },
    output(outputName, value, dims) {
      addNode("Identity", [value], outputName, []);
      outputs.push(valueInfo(outputName, dims));
    },
    floats: (dims, data) => constant(dims, DATA_TYPE.float32, littleEndianFloats(data)),
    ints: (data) => constant([data.length], DATA_TYPE.int64, littleEndianInts(data)),
    node: (op, from, attributes = {}) =>
      addNode(op, from, `v${values++}`, Object.entries(attributes).map(attributeMessage)),
    encode() {
      const graph = { name, node: nodes, initializer: initializers, input: inputs, output: outputs };
      const opsetImport = [{ domain: "", version: OPSET }];
      return ModelProto.encode({
        irVersion: IR_VERSION,
        producerName: "photokeep",
        graph,
        opsetImport,
      }).finish();
    },
  };
}

function valueInfo(name: string, dims: readonly OnnxDimension[]): object {
  const dim = dims.map((size) => (typeof size === "string" ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType: DATA_TYPE.float32, shape: { dim } } } };
}

function attributeMessage([name, value]: [string, OnnxAttribute]): AttributeMessage {
  if ("int" in value) return { name, type: ATTRIBUTE_TYPE.int, i: value.int };
  if ("float" in value) return { name, type: ATTRIBUTE_TYPE.float, f: value.float };
  if ("text" in value) return { name, type: ATTRIBUTE_TYPE.string, s: Buffer.from(value.text) };
  return { name, type: ATTRIBUTE_TYPE.ints, ints: value.ints };
}

/** ONNX raw data is little-endian whatever the machine. */
function littleEndianFloats(data: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(data.length * 4));
  for (let i = 0; i < data.length; i++) view.setFloat32(i * 4, data[i]!, true);
  return new Uint8Array(view.buffer);
}

function littleEndianInts(data: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(data.length * 8));
  data.forEach((value, i) => view.setBigInt64(i * 8, BigInt(value), true));
  return new Uint8Array(view.buffer);
}
