import type { ModelEntry } from "../model.ts";
import { imageToImage } from "./contracts.ts";
import { mit } from "./licences.ts";

/**
 * Restorers that need no weights, so that an installation without a network does more than enlarge. Entries like any
 * other: ranked by the same measurements (docs/quality.md), run over the same tiles. `context` is exact.
 */
export const BUILT_INS: readonly ModelEntry[] = [
  {
    id: "cosine-denoise",
    task: "denoise",
    title: "Cosine shrinkage: denoises by a given noise level, without weights",
    licence: mit("(c) 2026 PhotoKeep"),
    source: { kind: "built-in" },
    tensors: {
      ...imageToImage("rgb"),
      extra: [{ name: "sigma", type: "float32", shape: [1, 1, 1, 1], meaning: "sigma" }],
    },
    scale: 1,
    tile: { context: 8, multiple: 2, pixelsMax: 262_144 },
    precision: "fp32",
    generative: false,
    footprint: { loadBytes: 0, bytesPerPixel: 40 },
  },
  {
    id: "cosine-deblock",
    task: "dejpeg",
    title: "Cosine shrinkage on shifted grids: JPEG blocks of the luma, without weights",
    licence: mit("(c) 2026 PhotoKeep"),
    source: { kind: "built-in" },
    tensors: {
      ...imageToImage("luma"),
      extra: [{ name: "quality", type: "float32", shape: [1, 1, 1, 1], meaning: "quality" }],
    },
    scale: 1,
    tile: { context: 8, multiple: 2, pixelsMax: 262_144 },
    precision: "fp32",
    generative: false,
    footprint: { loadBytes: 0, bytesPerPixel: 24 },
  },
  {
    id: "scratch-lines",
    task: "repair",
    title: "Long thin bright lines: a scratch mask without weights",
    licence: mit("(c) 2026 PhotoKeep"),
    source: { kind: "built-in" },
    tensors: {
      layout: "nchw",
      input: { name: "input", order: "luma", low: 0, high: 1 },
      output: { kind: "mask", name: "output" },
    },
    scale: 1,
    // What a pixel looks at (34), and the shortest line that counts (32).
    tile: { context: 66, multiple: 1, pixelsMax: 589_824 },
    precision: "fp32",
    generative: false,
    footprint: { loadBytes: 0, bytesPerPixel: 64 },
  },
];
