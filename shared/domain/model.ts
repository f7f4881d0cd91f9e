import { z } from "zod";

/**
 * What a model is, as pure data: who may use it, where it comes from, what its tensors mean, how it is tiled.
 * Nothing here loads anything; `gpu-agent/models` does, and it trusts the file over this table.
 */

/**
 * What a deployment must allow before a model may run: `commercial` permissive (MIT, BSD, Apache), `attribution` with
 * credit in the product (CC-BY), `noncommercial`, `copyleft` share-alike (GPL, CC-BY-SA).
 */
export const LicenceClass = z.enum(["commercial", "attribution", "noncommercial", "copyleft"]);
export type LicenceClass = z.infer<typeof LicenceClass>;

/** `repair` finds damage (a mask), `inpaint` fills it; `enhance` is generative and may change anything. */
export const ModelTask = z.enum([
  "upscale",
  "denoise",
  "deblur",
  "dejpeg",
  "repair",
  "inpaint",
  "colorize",
  "face",
  "face-detect",
  "face-landmarks",
  "face-identity",
  "face-parsing",
  "face-quality",
  "enhance",
]);
export type ModelTask = z.infer<typeof ModelTask>;

/** Stable name of a catalogue entry, as plans, messages and commands spell it. */
export const ModelId = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/);
export type ModelId = z.infer<typeof ModelId>;

/** Lower-case hexadecimal SHA-256. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export type Licence = {
  readonly class: LicenceClass;
  /** SPDX identifier where one exists. */
  readonly name: string;
  /** The sentence a redistributor must keep, or why the class is stricter than the name. */
  readonly notice: string;
};

/**
 * Where the bytes come from. `file` has no address of its own: it can only be imported from a folder. `built-in` has no
 * bytes: its method is code of the agent, runs behind the same tensors and is always here.
 */
export type ModelSource =
  | { readonly kind: "built-in" }
  | {
      readonly kind: "npm";
      readonly package: string;
      readonly version: string;
      /** The TensorFlow.js `model.json`, relative to the package's folder. */
      readonly path: string;
      readonly converter: "tfjs-layers" | "tfjs-graph";
    }
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "file"; readonly fileName: string; readonly origin: string };

/**
 * Channels of a tensor that holds an image. `luma` is the Y of BT.601 YCbCr, whose chroma travels beside the model;
 * `latent` the four planes of an autoencoder.
 */
export type ChannelOrder = "rgb" | "bgr" | "gray" | "luma" | "latent";

/** One number per channel, in the tensor's own channel order. */
export type ChannelValues = readonly [number, number, number];

/** An image tensor: pixel 0 enters as `low`, pixel 1 as `high`; then, if `mean` is given, (value − mean) / std per channel. */
export type ImageTensor = {
  /** Absent where no file has been seen: the graph's only input (or output). */
  readonly name?: string;
  readonly order: ChannelOrder;
  readonly low: number;
  readonly high: number;
  readonly mean?: ChannelValues;
  readonly std?: ChannelValues;
  /** The one size the graph accepts: the whole picture (or the aligned face) is resized to it, never tiled. */
  readonly size?: { readonly width: number; readonly height: number };
};

/** A further input beside the image. */
type ExtraInput = {
  readonly name: string;
  readonly type: "float32" | "float64";
  readonly shape: readonly number[];
  /** `sigma`: noise level / 255; `quality`: of JPEG, 1–100; `fidelity`: 0 invents, 1 keeps; `mask`: 1 where to fill. */
  readonly meaning: "sigma" | "quality" | "fidelity" | "mask" | "conditioning";
};

/**
 * What comes out. `image` may leave its range a little and must be clamped; `mask` is a probability in 0..1;
 * `chroma` is Lab a and b in CIE units; `values` (boxes, points, embeddings) are decoded by the stage that asked.
 */
export type ModelOutput =
  | ({ readonly kind: "image" } & ImageTensor)
  | { readonly kind: "mask"; readonly name?: string }
  | { readonly kind: "chroma"; readonly name?: string }
  | { readonly kind: "values"; readonly names: readonly string[] };

export type TensorContract = {
  /** `nchw`: [1, channels, height, width]; `nhwc`: [1, height, width, channels]. Holds for input and output. */
  readonly layout: "nchw" | "nhwc";
  readonly input: ImageTensor;
  readonly extra?: readonly ExtraInput[];
  readonly output: ModelOutput;
};

/** How to cut an image for this model. All lengths are input pixels. */
type TileRule = {
  /** Around the part that is kept, on every side; 0 for models that see the whole picture at once. */
  readonly context: number;
  /** Both sides must be multiples of this. */
  readonly multiple: number;
  /** Largest area of one CPU tile, context included. A GPU plans by footprint instead. */
  readonly pixelsMax: number;
  /** The graph accepts exactly this square side: tiles are `fixed` × `fixed`, reflect-padded where the picture ends. */
  readonly fixed?: number;
  /** What the output lacks on every side (before scaling): pad the input by this much first. At most `context`. */
  readonly margin?: number;
};

/**
 * Measured on the CPU provider, on top of an idle worker (some 80 MiB): peak resident memory ≈ loadBytes +
 * bytesPerPixel × input pixels of the tile.
 */
type Footprint = { readonly loadBytes: number; readonly bytesPerPixel: number };

export type ModelEntry = {
  readonly id: ModelId;
  readonly task: ModelTask;
  readonly title: string;
  readonly licence: Licence;
  readonly source: ModelSource;
  /** Of the single ONNX file that is loaded; for `npm` sources, of the converted file. Absent where nobody trusted has said, and for what is built in. */
  readonly sha256?: string;
  readonly bytes?: number;
  readonly tensors: TensorContract;
  /** Output side / input side. */
  readonly scale: number;
  readonly tile: TileRule;
  /** Of the stored weights; arithmetic follows the provider. */
  readonly precision: "fp32" | "fp16" | "int8";
  /** Trained with an adversarial or diffusion loss: may invent detail, so never in `faithful`. */
  readonly generative: boolean;
  /** Of an enlarger: takes grain and JPEG's blocks away itself; what is cleaned before comes out worse (docs/chain.md). */
  readonly cleans?: boolean;
  /** Of an enlarger ×2: serves ×4 in two passes, which brings it nearer to the truth than any single one (docs/quality.md). */
  readonly twice?: boolean;
  readonly footprint?: Footprint;
};
