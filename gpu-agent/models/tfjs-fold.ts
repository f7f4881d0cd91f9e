import { invariant } from "#shared/domain/fault.ts";
import { unsupported } from "./tfjs-graph-node.ts";
import type { TfNode } from "./tfjs-graph-node.ts";
import type { TfjsTensor } from "./tfjs-weights.ts";

const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  AddV2: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
};

/**
 * The value of a node all of whose inputs are constant: exporters leave scales and shapes as small constant sums.
 *
 * Throws Fault `operator_unsupported` for an operator it cannot evaluate.
 */
export function foldNode(node: TfNode, inputs: readonly TfjsTensor[]): TfjsTensor {
  const [first, second] = inputs;
  invariant(first !== undefined, "a folded node has an input");
  if (node.op === "Identity") return first;

  const binary = BINARY[node.op];
  if (second === undefined || (binary === undefined && node.op !== "Reshape")) {
    throw unsupported(`the operator ${node.op} on constants (${node.name})`);
  }
  if (binary === undefined) return { ...first, shape: reshaped(first, second, node) };
  // TensorFlow's general broadcasting is not needed: equal shapes, or one value.
  if (second.data.length === 1) return mapValues(first, (value) => binary(value, second.data[0]!));
  if (first.data.length === 1) return mapValues(second, (value) => binary(first.data[0]!, value));
  if (first.shape.join() !== second.shape.join())
    throw unsupported(`${node.op} of broadcast constants (${node.name})`);
  return mapValues(first, (value, i) => binary(value, second.data[i]!));
}

function mapValues(tensor: TfjsTensor, map: (value: number, i: number) => number): TfjsTensor {
  return tensor.type === "float32"
    ? { ...tensor, data: tensor.data.map(map) }
    : { ...tensor, data: tensor.data.map(map) };
}

function reshaped(tensor: TfjsTensor, shape: TfjsTensor, node: TfNode): number[] {
  const known = [...shape.data].filter((size) => size >= 0).reduce((product, size) => product * size, 1);
  const sizes = [...shape.data].map((size) => (size < 0 ? tensor.data.length / known : size));
  if (sizes.reduce((product, size) => product * size, 1) !== tensor.data.length) {
    throw unsupported(`a Reshape to another size (${node.name})`);
  }
  return sizes;
}
