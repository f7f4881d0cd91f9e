import { expect, test } from "vitest";
import { imageToImage } from "#shared/domain/catalogue/contracts.ts";
import { convertLayersModel } from "#agent/models/tfjs-layers.ts";
import type { TfjsModel, TfjsTensor } from "#agent/models/tfjs-weights.ts";
import { runOnnx } from "./run-onnx.ts";
import { faultCode } from "./fault-code.ts";

const conv = (filters: number, size: number, activation: string) => ({
  filters,
  kernel_size: [size, size],
  strides: [1, 1],
  dilation_rate: [1, 1],
  padding: "same",
  data_format: "channels_last",
  activation,
  use_bias: true,
});
const layer = (class_name: string, name: string, config: object, ...inputs: string[]) => ({
  class_name,
  name,
  config,
  inbound_nodes: inputs.length === 0 ? [] : [inputs.map((input) => [input, 0, 0, {}])],
});

function model(layers: object[], output: string, weights: [string, TfjsTensor][] = []): TfjsModel {
  const config = { layers, input_layers: [["in", 0, 0]], output_layers: [[output, 0, 0]] };
  return {
    topology: { model_config: { config } },
    signature: undefined,
    weights: new Map(weights),
    integrity: "",
  };
}

const tensor = (shape: number[], data: number[]): TfjsTensor => ({
  type: "float32",
  shape,
  data: Float32Array.from(data),
});

/** [1, 3, 1, 2] with the pixels (1, 2, 3) and (4, 5, 6). */
const TWO_PIXELS = { data: Float32Array.of(1, 4, 2, 5, 3, 6), dims: [1, 3, 1, 2] };

async function run(source: TfjsModel): Promise<number[]> {
  const outputs = await runOnnx(convertLayersModel(source), imageToImage("rgb"), TWO_PIXELS);
  return [...(outputs["output"] ?? [])];
}

test("a convolution reads its kernel as [height, width, in, out] and pads like Keras", async () => {
  // out0 = in0 of the left neighbour; out1 = in1 here + 0.5; out2 = −in2 here, cut at 0.
  const kernel = new Float32Array(3 * 3 * 3 * 3);
  const at = (y: number, x: number, from: number, to: number): number => ((y * 3 + x) * 3 + from) * 3 + to;
  kernel[at(1, 0, 0, 0)] = 1;
  kernel[at(1, 1, 1, 1)] = 1;
  kernel[at(1, 1, 2, 2)] = -1;
  const layers = [layer("InputLayer", "in", {}), layer("Conv2D", "c", conv(3, 3, "relu"), "in")];
  const weights: [string, TfjsTensor][] = [
    ["c/kernel", { type: "float32", shape: [3, 3, 3, 3], data: kernel }],
    ["c/bias", tensor([3], [0, 0.5, 0])],
  ];
  expect(await run(model(layers, "c", weights))).toEqual([0, 1, 2.5, 5.5, 0, 0]);
});

test("a residual block adds its scaled branch, and concatenation joins channels", async () => {
  // Joins the picture with itself, sums channels c and c + 3, scales by 0.25, adds the picture: 1.5 times the picture.
  const pick = Array.from({ length: 18 }, (_, i) => (Math.floor(i / 3) % 3 === i % 3 ? 1 : 0));
  const layers = [
    layer("InputLayer", "in", {}),
    layer("Concatenate", "twice", { axis: 3 }, "in", "in"),
    layer("Conv2D", "sum", conv(3, 1, "linear"), "twice"),
    layer("MultiplyBeta", "scaled", { beta: 0.25 }, "sum"),
    layer("Add", "out", {}, "in", "scaled"),
  ];
  const weights: [string, TfjsTensor][] = [
    ["sum/kernel", tensor([1, 1, 6, 3], pick)],
    ["sum/bias", tensor([3], [0, 0, 0])],
  ];
  expect(await run(model(layers, "out", weights))).toEqual([1.5, 6, 3, 7.5, 4.5, 9]);
});

test("a pixel shuffle lays blocks of channels out as pixels, depth innermost", async () => {
  // 12 channels: channel (i·2 + j)·3 + c becomes pixel (i, j) of colour c. Kernel: channel k = 10·k + in0.
  const kernel = Array.from({ length: 36 }, (_, i) => (i < 12 ? 1 : 0));
  const bias = Array.from({ length: 12 }, (_, k) => 10 * k);
  const layers = [
    layer("InputLayer", "in", {}),
    layer("Conv2D", "wide", conv(12, 1, "linear"), "in"),
    layer("PixelShuffle2x", "out", { scale: 2 }, "wide"),
  ];
  const weights: [string, TfjsTensor][] = [
    ["wide/kernel", tensor([1, 1, 3, 12], kernel)],
    ["wide/bias", tensor([12], bias)],
  ];
  const rows = (c: number): number[] => [1, 31, 4, 34, 61, 91, 64, 94].map((value) => value + 10 * c);
  expect(await run(model(layers, "out", weights))).toEqual([...rows(0), ...rows(1), ...rows(2)]);
});

test("a layer that is not known is named in the fault, and malformed models are told apart from it", async () => {
  const convert = (source: TfjsModel): Promise<Uint8Array> =>
    Promise.resolve().then(() => convertLayersModel(source));
  const input = layer("InputLayer", "in", {});
  await expect(convert(model([input, layer("LSTM", "x", {}, "in")], "x"))).rejects.toThrow("LSTM");
  expect(await faultCode(convert(model([input, layer("LSTM", "x", {}, "in")], "x")))).toBe(
    "layer_unsupported",
  );
  const strided = { ...conv(3, 1, "relu"), strides: [2, 2] };
  expect(await faultCode(convert(model([input, layer("Conv2D", "x", strided, "in")], "x")))).toBe(
    "layer_unsupported",
  );
  expect(await faultCode(convert(model([input, layer("Conv2D", "x", conv(3, 1, "relu"), "in")], "x")))).toBe(
    "topology_invalid",
  );
  expect(await faultCode(convert(model([input, layer("Add", "x", {}, "later")], "x")))).toBe(
    "topology_invalid",
  );
  expect(await faultCode(convert({ ...model([input], "in"), topology: [] }))).toBe("topology_invalid");
});
