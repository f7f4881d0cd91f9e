import { join } from "node:path";
import { z } from "zod";
import { convertLayersModel } from "#agent/models/tfjs-layers.ts";
import { readTfjsModel, type TfjsTensor } from "#agent/models/tfjs-weights.ts";

const SCALE = 4;
/** The network takes and makes levels of 0..255; the product's models 0..1. */
const RANGE = 255;
const FIRST = "F_m1/kernel";
/** The end of the network: it repeats each value 4 × 4 times, and a convolution makes colours of that. */
const REPEATING = "UPsample";
const LAST = "SR";
const COLOURS = 3;

const Topology = z.looseObject({
  model_config: z.looseObject({
    config: z.looseObject({
      layers: z.array(
        z.looseObject({
          class_name: z.string(),
          name: z.string(),
          config: z.record(z.string(), z.unknown()),
          inbound_nodes: z.unknown(),
        }),
      ),
      output_layers: z.unknown(),
    }),
  }),
});

/**
 * The weights of npm `@upscalerjs/esrgan-slim` ×4 as ONNX, through the product's converter. Nearest-neighbour
 * enlargement followed by a convolution, which the converter does not know, becomes a convolution before and a shuffle
 * of its channels: the same sums (sub-pixel convolution, Shi et al. 2016), without the enlarged planes between. Its range
 * becomes 0..1.
 * @param modules the node_modules folder that holds the package.
 */
export async function convertSlim(modules: string): Promise<Uint8Array> {
  const model = await readTfjsModel(join(modules, "@upscalerjs/esrgan-slim/models/x4/model.json"));
  const topology = Topology.parse(model.topology);
  const { config } = topology.model_config;
  const repeating = config.layers.find(({ name }) => name === REPEATING);
  config.layers = config.layers
    .filter((layer) => layer !== repeating)
    .map((layer) => (layer.name === LAST ? { ...layer, inbound_nodes: repeating?.inbound_nodes } : layer));
  config.layers.push({
    class_name: `PixelShuffle${SCALE}x`,
    name: "shuffle",
    config: { scale: SCALE },
    inbound_nodes: [[[LAST, 0, 0, {}]]],
  });
  config.output_layers = [["shuffle", 0, 0]];

  const weights = new Map(model.weights);
  weights.set(FIRST, times(weights.get(FIRST), RANGE));
  weights.set(`${LAST}/kernel`, times(foldKernel(weights.get(`${LAST}/kernel`)), 1 / RANGE));
  weights.set(`${LAST}/bias`, times(repeatBias(weights.get(`${LAST}/bias`)), 1 / RANGE));
  return convertLayersModel({ ...model, topology, weights });
}

/**
 * [3, 3, from, 3] on the enlarged planes → [3, 3, from, 4 × 4 × 3] on the planes before: a tap reads the value that was
 * repeated to where it lies.
 */
function foldKernel(kernel: TfjsTensor | undefined): TfjsTensor {
  const [height = 0, width = 0, from = 0] = kernel?.shape ?? [];
  const to = SCALE ** 2 * COLOURS;
  const data = new Float32Array(height * width * from * to);
  const source = (at: number, tap: number): number => Math.floor((at + tap - 1) / SCALE) + 1;
  for (let y = 0; y < SCALE; y += 1)
    for (let x = 0; x < SCALE; x += 1)
      for (let tapY = 0; tapY < height; tapY += 1)
        for (let tapX = 0; tapX < width; tapX += 1) {
          const read = (tapY * width + tapX) * from;
          const write = (source(y, tapY) * width + source(x, tapX)) * from;
          for (let i = 0; i < from; i += 1)
            for (let o = 0; o < COLOURS; o += 1)
              data[(write + i) * to + (y * SCALE + x) * COLOURS + o]! +=
                kernel?.data[(read + i) * COLOURS + o] ?? Number.NaN;
        }
  return { type: "float32", shape: [height, width, from, to], data };
}

function repeatBias(bias: TfjsTensor | undefined): TfjsTensor {
  const values = [...(bias?.data ?? [])];
  const data = Float32Array.from(Array.from({ length: SCALE ** 2 }, () => values).flat());
  return { type: "float32", shape: [data.length], data };
}

function times(tensor: TfjsTensor | undefined, factor: number): TfjsTensor {
  const { shape = [], data = [] } = tensor ?? {};
  return { type: "float32", shape, data: Float32Array.from(data, (value) => value * factor) };
}
