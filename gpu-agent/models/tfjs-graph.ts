import { z } from "zod";
import { Fault } from "#shared/domain/fault.ts";
import { createOnnxGraph } from "./onnx.ts";
import type { OnnxGraph } from "./onnx.ts";
import { foldNode } from "./tfjs-fold.ts";
import { dataInputs, nodeName, TfNode, unsupported } from "./tfjs-graph-node.ts";
import { convertOperator } from "./tfjs-operators.ts";
import type { TfjsModel, TfjsTensor } from "./tfjs-weights.ts";

const Topology = z.object({ node: z.array(TfNode).min(1).max(50_000) });

const Port = z.object({
  name: z.string().min(1),
  tensorShape: z.object({ dim: z.array(z.object({ size: z.coerce.number().int() })).max(8) }),
});
const Signature = z.object({
  inputs: z.record(z.string(), Port),
  outputs: z.record(z.string(), Port),
});

/**
 * Converts a TensorFlow.js graph model of one image input to ONNX with fixed shapes. The graph stays NHWC as exported;
 * the runtime's optimiser removes the transpositions around its convolutions. Whatever does not depend on the input is
 * evaluated here. Inputs and outputs keep the names of the model's signature (without `:0`), outputs in name order.
 *
 * Throws Fault `operator_unsupported` naming the operator it does not know, `topology_invalid` for anything malformed.
 */
export function convertGraphModel(model: TfjsModel): Uint8Array {
  const topology = parse(Topology, model.topology, "its nodes");
  const signature = parse(Signature, model.signature, "its signature");
  const [input, ...more] = Object.values(signature.inputs);
  if (input === undefined || more.length > 0) throw unsupported("a model of several inputs");

  const nodes = new Map(topology.node.map((node) => [node.name, node]));
  const outputs = Object.entries(signature.outputs).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const order = inDependencyOrder(
    nodes,
    outputs.map(([, port]) => nodeName(port.name)),
  );

  const graph = createOnnxGraph("graph");
  const values = createGraphValues(graph, model.weights);
  for (const node of order) {
    if (node.op === "Placeholder") {
      if (node.name !== nodeName(input.name)) throw unsupported(`the placeholder ${node.name}`);
      values.addInput(node.name, graph.input(node.name, shapeOf(input)));
    } else {
      values.add(node);
    }
  }
  for (const [key, port] of outputs) {
    graph.output(nodeName(key), values.nameOf(nodeName(port.name)), shapeOf(port));
  }
  return graph.encode();
}

/** The value of every converted node: a constant known now, or a name in the ONNX graph. */
function createGraphValues(graph: OnnxGraph, weights: ReadonlyMap<string, TfjsTensor>) {
  const constants = new Map<string, TfjsTensor>();
  const computed = new Map<string, string>();

  /** The ONNX name of a node's value; a constant is written into the graph at its first use. */
  const nameOf = (node: string): string => {
    const known = computed.get(node);
    if (known !== undefined) return known;
    const tensor = constants.get(node);
    if (tensor?.type !== "float32") throw unsupported(`the value ${node} as a tensor of floats`);
    const value = graph.floats(tensor.shape, tensor.data);
    computed.set(node, value);
    return value;
  };

  const constantOf = (node: TfNode): TfjsTensor | undefined => {
    if (node.op === "Const") {
      const tensor = weights.get(node.name);
      if (tensor === undefined) throw invalid(`the weights ${node.name} are missing`);
      return tensor;
    }
    const inputs = dataInputs(node).map((name) => constants.get(name));
    return inputs.length > 0 && inputs.every((tensor) => tensor !== undefined)
      ? foldNode(node, inputs)
      : undefined;
  };

  const convert = (node: TfNode): string => {
    const names = dataInputs(node);
    return convertOperator(node, {
      graph,
      value: (index) => nameOf(input(names, index, node)),
      constant: (index) => {
        const tensor = constants.get(input(names, index, node));
        if (tensor === undefined) throw unsupported(`${node.op} with a computed parameter (${node.name})`);
        return tensor;
      },
    });
  };

  return {
    nameOf,
    addInput: (node: string, value: string) => void computed.set(node, value),
    add(node: TfNode): void {
      const constant = constantOf(node);
      if (constant === undefined) computed.set(node.name, convert(node));
      else constants.set(node.name, constant);
    },
  };
}

function input(names: readonly string[], index: number, node: TfNode): string {
  const name = names[index];
  if (name === undefined) throw invalid(`${node.name} has too few inputs`);
  return name;
}

/** The nodes that the wanted ones need, each after its inputs. Iterative: depth is the file's to choose. */
function inDependencyOrder(nodes: ReadonlyMap<string, TfNode>, wanted: readonly string[]): TfNode[] {
  const order: TfNode[] = [];
  const state = new Map<string, "open" | "done">();
  const stack = wanted.toReversed();
  for (let name = stack.at(-1); name !== undefined; name = stack.at(-1)) {
    const node = nodes.get(name);
    if (node === undefined) throw invalid(`the node ${name} does not exist`);
    if (state.get(name) === "done") {
      stack.pop();
      continue;
    }
    const missing = dataInputs(node).filter((from) => state.get(from) !== "done");
    if (missing.length === 0) {
      state.set(name, "done");
      order.push(node);
      stack.pop();
      continue;
    }
    if (state.get(name) === "open") throw invalid(`the node ${name} depends on itself`);
    state.set(name, "open");
    stack.push(...missing.toReversed());
  }
  return order;
}

/** A signature's shape for one image: an unknown batch is 1. */
function shapeOf(port: z.infer<typeof Port>): number[] {
  const [batch = 1, ...rest] = port.tensorShape.dim.map(({ size }) => size);
  if (batch > 1 || rest.some((size) => size < 1)) throw unsupported(`the shape of ${port.name}`);
  return [1, ...rest];
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid(`${what} cannot be read`, parsed.error);
  return parsed.data;
}

function invalid(why: string, cause?: unknown): Fault {
  return new Fault("input", "topology_invalid", `The TensorFlow.js model is malformed: ${why}.`, { cause });
}
