import type { ModelEntry } from "../model.ts";
import { apache, mit } from "./licences.ts";
import { faceFusion, square, whole } from "./contracts.ts";

const MIB = 1024 * 1024;

const DDCOLOR: Pick<ModelEntry, "task" | "licence" | "tensors" | "scale" | "tile" | "generative"> = {
  task: "colorize",
  licence: apache("piddnad"),
  tensors: {
    layout: "nchw",
    // The gray picture in three equal channels; the original's L is kept at full size.
    input: { name: "input", order: "rgb", low: 0, high: 1, ...square(512) },
    output: { kind: "chroma" },
  },
  scale: 1,
  tile: whole(512),
  generative: true,
};

/** Every one of them gives colour only: the lightness always stays the photograph's own. */
export const COLORIZERS: readonly ModelEntry[] = [
  {
    ...DDCOLOR,
    id: "ddcolor",
    title: "DDColor: natural colours",
    source: faceFusion("3.0.0", "ddcolor.onnx"),
    precision: "fp32",
  },
  {
    ...DDCOLOR,
    id: "ddcolor-artistic",
    title: "DDColor artistic: stronger colours",
    source: faceFusion("3.0.0", "ddcolor_artistic.onnx"),
    precision: "fp32",
  },
  {
    ...DDCOLOR,
    id: "ddcolor-tiny",
    title: "DDColor tiny, int8",
    source: {
      kind: "file",
      fileName: "ddcolor_tiny_int8.onnx",
      origin: "piddnad/DDColor, exported and quantised",
    },
    bytes: 112_723_138,
    precision: "int8",
  },
  {
    id: "deoldify-stable",
    task: "colorize",
    title: "DeOldify stable: calm colours, fewest mistakes on people",
    licence: mit("(c) 2018 Jason Antic"),
    source: faceFusion("3.0.0", "deoldify_stable.onnx"),
    tensors: {
      layout: "nchw",
      input: { name: "input", order: "rgb", low: 0, high: 255, ...square(256) },
      output: { kind: "image", order: "rgb", low: 0, high: 255 },
    },
    scale: 1,
    tile: whole(256),
    precision: "fp32",
    generative: true,
  },
  {
    id: "colour-landscape",
    task: "colorize",
    title: "A small CNN for outdoor scenes: turns faces blue, for tests only",
    licence: mit("(c) 2025 Yuvraj Singh Sukhmani; training data not stated"),
    source: {
      kind: "file",
      fileName: "colour_landscape_cnn_rgb.onnx",
      origin: "sukhmani1303/image-colorization-with-cnn",
    },
    sha256: "aaaa53d6c716ea87d115db19ba48358da6f73b06809f976b7763562092cc19e8",
    bytes: 1_275_296,
    tensors: {
      layout: "nchw",
      input: { name: "input", order: "gray", low: 0, high: 1, ...square(256) },
      output: { kind: "image", name: "output", order: "rgb", low: 0, high: 1 },
    },
    scale: 1,
    tile: whole(256),
    precision: "fp32",
    generative: true,
    footprint: { loadBytes: 145 * MIB, bytesPerPixel: 0 },
  },
];
