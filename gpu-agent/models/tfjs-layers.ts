import { z } from "zod";
import { Fault } from "#shared/domain/fault.ts";
import { outputFirst } from "./kernel-layout.ts";
import type { Kernel } from "./kernel-layout.ts";
import { createOnnxGraph } from "./onnx.ts";
import type { OnnxGraph } from "./onnx.ts";
import type { TfjsModel, TfjsTensor } from "./tfjs-weights.ts";

const Layer = z.object({
  class_name: z.string(),
  name: z.string(),
  config: z.record(z.string(), z.unknown()),
  /** [use of the layer][input][name, node index, tensor index, …]; only layers used once are supported. */
  inbound_nodes: z.array(z.array(z.tuple([z.string(), z.literal(0), z.literal(0)]).rest(z.unknown()))).max(1),
});
type Layer = z.infer<typeof Layer>;

const Topology = z.object({
  model_config: z.object({
    config: z.object({
      layers: z.array(Layer).min(1).max(10_000),
      input_layers: z.tuple([z.tuple([z.string(), z.literal(0), z.literal(0)])]),
      output_layers: z.tuple([z.tuple([z.string(), z.literal(0), z.literal(0)])]),
    }),
  }),
});

const pair = z.tuple([z.int().positive(), z.int().positive()]);

const Conv2d = z.object({
  kernel_size: pair,
  strides: z.tuple([z.literal(1), z.literal(1)]),
  dilation_rate: z.tuple([z.literal(1), z.literal(1)]),
  groups: z.literal(1).optional(),
  padding: z.enum(["same", "valid"]),
  data_format: z.literal("channels_last"),
  activation: z.string(),
  use_bias: z.boolean(),
});

/**
 * Converts a Keras functional image model of TensorFlow.js (`layers-model`, NHWC) to ONNX: `input` [1,3,h,w] →
 * `output` [1,3,H,W], NCHW, any size. It knows the layers of the ESRGAN family (residual dense blocks with sub-pixel
 * upsampling, Wang et al. 2018) and nothing else.
 *
 * Throws Fault `layer_unsupported` naming the layer it does not know, `topology_invalid` for anything malformed.
 */
export function convertLayersModel(model: TfjsModel): Uint8Array {
  const parsed = Topology.safeParse(model.topology);
  if (!parsed.success) throw invalid("its layers are not a chain of layers used once each", parsed.error);
  const { layers, output_layers } = parsed.data.model_config.config;

  const graph = createOnnxGraph("layers");
  const values = new Map<string, string>();
  for (const layer of layers) {
    const inputs = (layer.inbound_nodes[0] ?? []).map(([name]) => {
      const value = values.get(name);
      if (value === undefined) throw invalid(`layer ${layer.name} uses ${name} before it is defined`);
      return value;
    });
    values.set(layer.name, addLayer(graph, layer, { inputs, weights: model.weights }));
  }
  const result = values.get(output_layers[0][0]);
  if (result === undefined) throw invalid("its output layer does not exist");
  graph.output("output", result, [1, 3, "H", "W"]);
  return graph.encode();
}

type LayerContext = { inputs: readonly string[]; weights: ReadonlyMap<string, TfjsTensor> };

function addLayer(graph: OnnxGraph, layer: Layer, { inputs, weights }: LayerContext): string {
  const { class_name: kind, config } = layer;
  const [first] = inputs;
  if (kind === "InputLayer") return graph.input("input", [1, 3, "h", "w"]);
  if (first === undefined) throw invalid(`layer ${layer.name} has no input`);

  switch (kind) {
    case "Conv2D":
      return addConv(graph, layer, { input: first, weights });
    case "Activation":
      return addActivation(graph, first, read(layer, z.object({ activation: z.string() })).activation);
    case "Concatenate":
      read(layer, z.object({ axis: z.literal([3, -1]) }));
      return graph.node("Concat", inputs, { axis: { int: 1 } });
    case "Add":
      return inputs.slice(1).reduce((sum, input) => graph.node("Add", [sum, input]), first);
    case "MultiplyBeta": {
      // UpscalerJS's residual scaling.
      const { beta } = read(layer, z.object({ beta: z.number() }));
      return graph.node("Mul", [first, graph.floats([], Float32Array.of(beta))]);
    }
    default: {
      const factor = /^PixelShuffle(\d)x$/.exec(kind)?.[1];
      if (factor === undefined || Number(config["scale"]) !== Number(factor)) throw unsupported(kind);
      // tf.depthToSpace keeps depth innermost: ONNX's DCR mode.
      return graph.node("DepthToSpace", [first], {
        blocksize: { int: Number(factor) },
        mode: { text: "DCR" },
      });
    }
  }
}

function addConv(
  graph: OnnxGraph,
  layer: Layer,
  { input, weights }: { input: string; weights: ReadonlyMap<string, TfjsTensor> },
): string {
  const config = read(layer, Conv2d);
  const [height, width] = config.kernel_size;
  const kernel = weight(weights, `${layer.name}/kernel`);
  const [kh, kw, from, to] = kernel.shape;
  if (kh !== height || kw !== width || from === undefined || to === undefined)
    throw invalid(`${layer.name} has a wrong kernel`);

  const inputs = [input, graph.floats([to, from, height, width], outputFirst(kernel))];
  if (config.use_bias) inputs.push(graph.floats([to], weight(weights, `${layer.name}/bias`).data));
  // Keras pads an even kernel more at the end.
  const pads = [(height - 1) >> 1, (width - 1) >> 1, height >> 1, width >> 1];
  const value = graph.node("Conv", inputs, {
    kernel_shape: { ints: [height, width] },
    ...(config.padding === "same" ? { pads: { ints: pads } } : {}),
  });
  return addActivation(graph, value, config.activation);
}

function addActivation(graph: OnnxGraph, input: string, activation: string): string {
  if (activation === "linear") return input;
  if (activation === "relu") return graph.node("Relu", [input]);
  throw unsupported(`activation ${activation}`);
}

function weight(weights: ReadonlyMap<string, TfjsTensor>, name: string): Kernel {
  const tensor = weights.get(name);
  if (tensor?.type !== "float32") throw invalid(`the weights ${name} are missing`);
  return tensor;
}

function read<T>(layer: Layer, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(layer.config);
  if (!parsed.success) throw unsupported(`${layer.class_name} as configured in ${layer.name}`, parsed.error);
  return parsed.data;
}

function unsupported(what: string, cause?: unknown): Fault {
  return new Fault(
    "input",
    "layer_unsupported",
    `The converter does not know the layer ${what}: this model needs a ready-made ONNX file.`,
    { cause },
  );
}

function invalid(why: string, cause?: unknown): Fault {
  return new Fault("input", "topology_invalid", `The TensorFlow.js model is malformed: ${why}.`, { cause });
}
