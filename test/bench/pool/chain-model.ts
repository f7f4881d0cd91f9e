import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256File } from "#agent/models/file-digest.ts";
import { createOnnxGraph } from "#agent/models/onnx.ts";
import { prepareModel } from "#agent/models/prepare-model.ts";
import type { ModelFile } from "#agent/worker/session.ts";
import { imageToImage } from "#shared/domain/catalogue/contracts.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { seededRandom } from "../../chaos/seeded-random.ts";

/** 24 layers of 21.2 MB: half a gigabyte of weights. */
const LAYERS = 24;
const CHANNELS = 2_304;
const COLOURS = 3;
/** So small a tile that a run does little but go over the weights. */
const TILE_SIDE = 8;

const ENTRY: ModelEntry = {
  id: "chain",
  task: "denoise",
  title: "A chain of convolutions without meaning",
  licence: { class: "commercial", name: "MIT", notice: "Made by the benchmark." },
  source: { kind: "file", fileName: "chain.onnx", origin: "the benchmark" },
  tensors: imageToImage("rgb"),
  scale: 1,
  tile: { context: 0, multiple: 1, pixelsMax: TILE_SIDE ** 2, fixed: TILE_SIDE },
  precision: "fp32",
  generative: false,
};

export interface ChainFiles {
  readonly plain: ModelFile;
  readonly prepared: ModelFile;
  readonly weightBytes: number;
}

/** Writes a chain-like model, one 1×1 convolution after the other, and lets the product prepare it. */
export async function makeChain(folder: string): Promise<ChainFiles> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, "chain.onnx");
  await writeFile(path, encodeChain());
  const sha256 = await sha256File(path);
  const prepared = await prepareModel({
    id: ENTRY.id,
    source: path,
    sha256,
    root: join(folder, "prepared"),
    name: "chain",
  });
  return {
    plain: { entry: ENTRY, path, isPrepared: false },
    prepared: { entry: ENTRY, path: prepared, isPrepared: true },
    weightBytes: LAYERS * CHANNELS ** 2 * Float32Array.BYTES_PER_ELEMENT,
  };
}

function encodeChain(): Uint8Array {
  const graph = createOnnxGraph(ENTRY.id);
  const conv = (image: string, from: number, to: number, weights: Float32Array): string =>
    graph.node("Conv", [image, graph.floats([to, from, 1, 1], weights)]);
  const inner = drawWeights(CHANNELS, CHANNELS);
  let image = graph.input("input", [1, COLOURS, "height", "width"]);
  image = conv(image, COLOURS, CHANNELS, drawWeights(COLOURS, CHANNELS));
  for (let layer = 0; layer < LAYERS; layer += 1)
    image = graph.node("Relu", [conv(image, CHANNELS, CHANNELS, inner)]);
  graph.output("output", conv(image, CHANNELS, COLOURS, drawWeights(CHANNELS, COLOURS)), [
    1,
    COLOURS,
    "height",
    "width",
  ]);
  return graph.encode();
}

/** Of a size that neither grows nor fades from layer to layer (He et al. 2015). */
function drawWeights(from: number, to: number): Float32Array {
  const random = seededRandom(1);
  const reach = Math.sqrt(6 / from);
  return Float32Array.from({ length: from * to }, () => (2 * random() - 1) * reach);
}
