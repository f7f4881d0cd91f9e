import protobuf from "protobufjs/light.js";
import { Fault } from "#shared/domain/fault.ts";
import { ModelProto } from "./onnx-schema.ts";

/** Protobuf itself cannot hold more in one message. */
export const ONNX_BYTES_MAX = 2 ** 31 - 1;
/** Far above any model in use (the largest has some 10,000), low enough that a crafted file cannot fill the memory. */
const NODES_MAX = 200_000;

/** A graph input or output; `type` is ONNX's TensorProto.DataType. */
export type OnnxValue = {
  readonly name: string;
  readonly type: number;
  readonly dims: readonly (number | string)[];
};

/** What a `.onnx` file says of itself, read without running anything. */
export type OnnxInspection = {
  readonly producer: string;
  /** Version per operator domain; "" is ONNX itself. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Without those that are only initialisers. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** How often each operator occurs, subgraphs included; other domains as `domain:Op`. */
  readonly operators: ReadonlyMap<string, number>;
  /** Every path under which the file keeps weights outside itself, as written there. Never open one unchecked. */
  readonly externalPaths: readonly string[];
};

/** A 64-bit integer as protobufjs gives it, with or without its optional Long library. */
type Int64 = number | { toNumber: () => number };
type TensorMessage = {
  name?: string;
  externalData?: { key?: string; value?: string }[];
  dataLocation?: number;
};
type SparseMessage = { values?: TensorMessage | null; indices?: TensorMessage | null };
type AttributeMessage = {
  t?: TensorMessage | null;
  g?: GraphMessage | null;
  tensors?: TensorMessage[];
  graphs?: GraphMessage[];
  sparseTensor?: SparseMessage | null;
  sparseTensors?: SparseMessage[];
};
type ValueMessage = {
  name?: string;
  type?: {
    tensorType?: { elemType?: number; shape?: { dim?: { dimValue?: Int64; dimParam?: string }[] } };
  };
};
type GraphMessage = {
  node?: { opType?: string; domain?: string; attribute?: AttributeMessage[] }[];
  initializer?: TensorMessage[];
  sparseInitializer?: SparseMessage[];
  input?: ValueMessage[];
  output?: ValueMessage[];
};
/** protobufjs gives null for a message that is not there. */
type ModelMessage = {
  producerName?: string;
  graph?: GraphMessage | null;
  opsetImport?: { domain?: string; version?: Int64 }[];
  /** A function's body can hold constants, and so external references, too. */
  functions?: Pick<GraphMessage, "node">[];
};

/**
 * Reads the interface, the operators and the external references of an ONNX model. Weights are neither copied nor
 * interpreted.
 *
 * Throws Fault `model_unreadable` when the bytes are no ONNX model.
 */
export function inspectOnnx(bytes: Uint8Array): OnnxInspection {
  const model = decode(bytes);
  const graph = model.graph;
  if (!graph) throw unreadable("it holds no graph");

  const operators = new Map<string, number>();
  const externalPaths = new Set<string>();
  let nodes = 0;

  const addTensor = (tensor: TensorMessage | null | undefined): void => {
    for (const entry of tensor?.externalData ?? []) {
      if (entry.key === "location") externalPaths.add(entry.value ?? "");
    }
    // Marked external without saying where: an empty path, which no caller may accept.
    if (tensor?.dataLocation === 1 && !tensor.externalData?.some(({ key }) => key === "location"))
      externalPaths.add("");
  };
  const addSparse = (sparse: SparseMessage | null | undefined): void => {
    addTensor(sparse?.values);
    addTensor(sparse?.indices);
  };
  const addGraph = (part: GraphMessage): void => {
    part.initializer?.forEach(addTensor);
    part.sparseInitializer?.forEach(addSparse);
    for (const node of part.node ?? []) {
      if (++nodes > NODES_MAX) throw unreadable(`it has more than ${NODES_MAX} nodes`);
      const op = node.domain ? `${node.domain}:${node.opType ?? ""}` : (node.opType ?? "");
      operators.set(op, (operators.get(op) ?? 0) + 1);
      for (const attribute of node.attribute ?? []) {
        addTensor(attribute.t);
        attribute.tensors?.forEach(addTensor);
        addSparse(attribute.sparseTensor);
        attribute.sparseTensors?.forEach(addSparse);
        if (attribute.g) addGraph(attribute.g);
        attribute.graphs?.forEach(addGraph);
      }
    }
  };
  addGraph(graph);
  model.functions?.forEach(addGraph);

  const constants = new Set(graph.initializer?.map(({ name }) => name));
  return {
    producer: model.producerName ?? "",
    opsets: Object.fromEntries(
      (model.opsetImport ?? []).map(({ domain, version }) => [domain ?? "", toNumber(version)]),
    ),
    inputs: (graph.input ?? []).filter(({ name }) => !constants.has(name)).map(describeValue),
    outputs: (graph.output ?? []).map(describeValue),
    operators,
    externalPaths: [...externalPaths],
  };
}

function decode(bytes: Uint8Array): ModelMessage {
  if (bytes.length > ONNX_BYTES_MAX) throw unreadable("it is larger than 2 GiB");
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = true;
  try {
    return ModelProto.decode(reader) as ModelMessage;
  } catch (cause) {
    throw unreadable("it does not parse", cause);
  }
}

function toNumber(value: Int64 = 0): number {
  return typeof value === "number" ? value : value.toNumber();
}

function describeValue(value: ValueMessage): OnnxValue {
  const tensor = value.type?.tensorType;
  const dims = (tensor?.shape?.dim ?? []).map(({ dimValue, dimParam }) => dimParam || toNumber(dimValue));
  return { name: value.name ?? "", type: tensor?.elemType ?? 0, dims };
}

function unreadable(why: string, cause?: unknown): Fault {
  return new Fault(
    "input",
    "model_unreadable",
    `This is not a usable ONNX model: ${why}. Fetch the file again.`,
    { cause },
  );
}
