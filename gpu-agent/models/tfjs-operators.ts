import type { OnnxAttribute, OnnxGraph } from "./onnx.ts";
import { channelFirst, outputFirst } from "./kernel-layout.ts";
import { spatialAttribute, textAttribute, textsAttribute, unsupported } from "./tfjs-graph-node.ts";
import type { TfNode } from "./tfjs-graph-node.ts";
import type { TfjsTensor } from "./tfjs-weights.ts";

/** What an operator may ask of the graph around it. Both accessors throw when the input does not exist. */
export type OperatorContext = {
  readonly graph: OnnxGraph;
  /** The ONNX name of the index-th input. */
  readonly value: (index: number) => string;
  /** The index-th input, which must be known now. */
  readonly constant: (index: number) => TfjsTensor;
};

const TO_NCHW = { perm: { ints: [0, 3, 1, 2] } };
const TO_NHWC = { perm: { ints: [0, 2, 3, 1] } };

/** Operators that are the same in both, but for the name. */
const UNARY: Readonly<Record<string, string>> = { Relu: "Relu", Sigmoid: "Sigmoid", Identity: "Identity" };
const BINARY: Readonly<Record<string, string>> = {
  AddV2: "Add",
  Add: "Add",
  BiasAdd: "Add",
  Sub: "Sub",
  Mul: "Mul",
};

/**
 * Writes one TensorFlow operator (NHWC) as ONNX nodes and returns the name of its value.
 *
 * Throws Fault `operator_unsupported` naming an operator, or a form of it, that is not known.
 */
export function convertOperator(node: TfNode, context: OperatorContext): string {
  const { graph, value, constant } = context;
  const unary = UNARY[node.op];
  if (unary !== undefined) return graph.node(unary, [value(0)]);
  const binary = BINARY[node.op];
  if (binary !== undefined) return graph.node(binary, [value(0), value(1)]);

  switch (node.op) {
    case "_FusedConv2D":
    case "Conv2D":
      return addFused(node, context, addConv(node, context));
    case "DepthwiseConv2dNative":
      return addDepthwise(node, context);
    case "MaxPool": {
      const pooled = graph.node("MaxPool", [graph.node("Transpose", [value(0)], TO_NCHW)], {
        kernel_shape: { ints: spatialAttribute(node, "ksize") },
        ...strides(node),
      });
      return graph.node("Transpose", [pooled], TO_NHWC);
    }
    case "Prelu":
      return graph.node("PRelu", [value(0), value(1)]);
    case "Pad": {
      // TensorFlow: [before, after] per axis; ONNX: all befores, then all afters.
      const pairs = integers(constant(1), node);
      const ordered = [0, 1].flatMap((side) => pairs.filter((_, i) => i % 2 === side));
      return graph.node("Pad", [value(0), graph.ints(ordered)]);
    }
    case "Reshape":
      return graph.node("Reshape", [value(0), graph.ints(integers(constant(1), node))]);
    default:
      throw unsupported(`the operator ${node.op} (${node.name})`);
  }
}

function addConv(node: TfNode, { graph, value, constant }: OperatorContext): string {
  const kernel = floats(constant(1), node);
  const [height = 1, width = 1, from = 1, to = 1] = kernel.shape;
  const inputs = [
    graph.node("Transpose", [value(0)], TO_NCHW),
    graph.floats([to, from, height, width], outputFirst(kernel)),
  ];
  if (textsAttribute(node, "fused_ops")[0] === "BiasAdd") inputs.push(value(2));
  return graph.node(
    "Transpose",
    [graph.node("Conv", inputs, convAttributes(node, [height, width]))],
    TO_NHWC,
  );
}

function addDepthwise(node: TfNode, { graph, value, constant }: OperatorContext): string {
  const kernel = floats(constant(1), node);
  const [height = 1, width = 1, channels = 1, multiplier = 1] = kernel.shape;
  const weights = graph.floats([channels * multiplier, 1, height, width], channelFirst(kernel));
  const inputs = [graph.node("Transpose", [value(0)], TO_NCHW), weights];
  const attributes = { ...convAttributes(node, [height, width]), group: { int: channels } };
  return graph.node("Transpose", [graph.node("Conv", inputs, attributes)], TO_NHWC);
}

/** What follows a convolution within the same TensorFlow node; the bias is already part of it. */
function addFused(node: TfNode, { graph, value }: OperatorContext, convolved: string): string {
  const fused = textsAttribute(node, "fused_ops");
  const [activation, ...more] = fused.filter((op) => op !== "BiasAdd");
  if (more.length > 0 || fused.lastIndexOf("BiasAdd") > 0)
    throw unsupported(`${node.op} fused as ${fused.join("+")}`);
  if (activation === undefined) return convolved;
  if (activation === "Relu") return graph.node("Relu", [convolved]);
  if (activation === "Prelu") return graph.node("PRelu", [convolved, value(fused.length + 1)]);
  throw unsupported(`${node.op} fused with ${activation} (${node.name})`);
}

function convAttributes(node: TfNode, kernel: readonly [number, number]): Record<string, OnnxAttribute> {
  return {
    kernel_shape: { ints: kernel },
    dilations: { ints: spatialAttribute(node, "dilations") },
    ...strides(node),
  };
}

/** Strides and padding. TensorFlow's SAME puts the odd pixel at the end, which ONNX calls SAME_UPPER. */
function strides(node: TfNode): Record<string, OnnxAttribute> {
  const format = textAttribute(node, "data_format") ?? "NHWC";
  const padding = textAttribute(node, "padding");
  if (format !== "NHWC" || (padding !== "SAME" && padding !== "VALID")) {
    throw unsupported(`${node.op} with ${format} and padding ${padding ?? "none"} (${node.name})`);
  }
  return {
    strides: { ints: spatialAttribute(node, "strides") },
    auto_pad: { text: padding === "SAME" ? "SAME_UPPER" : "VALID" },
  };
}

function floats(tensor: TfjsTensor, node: TfNode): TfjsTensor & { type: "float32" } {
  if (tensor.type !== "float32") throw unsupported(`${node.op} with integer weights (${node.name})`);
  return tensor;
}

function integers(tensor: TfjsTensor, node: TfNode): number[] {
  if (tensor.type !== "int32")
    throw unsupported(`${node.op} with a parameter that is not int32 (${node.name})`);
  return [...tensor.data];
}
