import { Fault, invariant } from "#shared/domain/fault.ts";
import type { TileModel } from "../image/tiled.ts";
import { bicubic, resize } from "../image/resample.ts";
import type { PlaneLayout } from "../image/tensor.ts";
import type { FeedTensor, Model } from "./stage.ts";

/** Values for the inputs a model has beside the image. */
export interface ModelConditions {
  /** Noise level (standard deviation), 0..1. */
  readonly sigma?: number;
  /** Of the JPEG file, 1–100 on the scale of the IJG library. */
  readonly quality?: number;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** How the planes of a tile are laid out for this model: its own order and range; RGB in its range for a luma model. */
export function planesOf({ entry }: Model): PlaneLayout {
  const { order, low, high } = entry.tensors.input;
  invariant(low === 0, `${entry.id} takes values from 0`);
  return { order: order === "bgr" ? "bgr" : "rgb", range: high };
}

/**
 * A model as the tiled pass runs it: three planes in, three planes out, `entry.scale` times as large.
 * - A model without padding of its own gets its margin mirrored around the tile; that part lies in the tile's context.
 * - A model of luma works on the Y of BT.601; the chroma is enlarged by bicubic and keeps its place beside it.
 * @throws Fault conflict `model_invalid` when the catalogue describes a model that makes no picture of a picture.
 */
export function createTileModel(model: Model, conditions: ModelConditions): TileModel {
  const { entry, imageInput, imageOutput } = model;
  const { layout, input, output } = entry.tensors;
  const isPicture = output.kind === "image" && output.low === input.low && output.high === input.high;
  if (layout !== "nchw" || imageOutput === undefined || !isPicture) {
    throw new Fault(
      "conflict",
      "model_invalid",
      `The model ${entry.id} does not make a picture of a picture.`,
    );
  }
  const margin = entry.tile.margin ?? 0;
  const extras = extraFeeds(model, conditions);

  const infer = async (planes: Float32Array, size: Size, channels: 1 | 3): Promise<Float32Array> => {
    const padded = margin === 0 ? planes : mirrorAround(planes, size, { margin, channels });
    const dims = [1, channels, size.height + 2 * margin, size.width + 2 * margin];
    const outputs = await model.run({ ...extras, [imageInput]: { data: padded, dims } });
    return outputs[imageOutput] ?? new Float32Array(0);
  };

  if (input.order === "rgb" || input.order === "bgr") return (planes, size) => infer(planes, size, 3);
  return async (planes, size) => {
    const luma = lumaOf(planes);
    const answer = await infer(luma, size, 1);
    const large = { width: size.width * entry.scale, height: size.height * entry.scale };
    return withLuma(enlarged(planes, size, large), answer);
  };
}

function extraFeeds({ entry }: Model, { sigma, quality }: ModelConditions): Record<string, FeedTensor> {
  const feeds: Record<string, FeedTensor> = {};
  for (const { name, type, shape, meaning } of entry.tensors.extra ?? []) {
    const value = meaning === "sigma" ? sigma : meaning === "quality" ? quality : undefined;
    if (value === undefined) {
      throw new Fault(
        "conflict",
        "model_invalid",
        `Nothing is known to give to the input ${name} of ${entry.id}.`,
      );
    }
    const count = shape.reduce((product, side) => product * side, 1);
    const data = type === "float32" ? new Float32Array(count) : new Float64Array(count);
    feeds[name] = { data: data.fill(value), dims: shape };
  }
  return feeds;
}

/** Planes with `margin` mirrored pixels on every side, the edge pixel repeated; again and again where they are small. */
function mirrorAround(
  planes: Float32Array,
  { width, height }: Size,
  { margin, channels }: { margin: number; channels: number },
): Float32Array {
  const wide = width + 2 * margin;
  const high = height + 2 * margin;
  const padded = new Float32Array(channels * wide * high);
  const columns = Int32Array.from({ length: wide }, (_, x) => mirror(x - margin, width));
  for (let channel = 0; channel < channels; channel += 1) {
    for (let y = 0; y < high; y += 1) {
      const from = (channel * height + mirror(y - margin, height)) * width;
      const to = (channel * high + y) * wide;
      for (let x = 0; x < wide; x += 1) padded[to + x] = planes[from + columns[x]!]!;
    }
  }
  return padded;
}

function mirror(index: number, length: number): number {
  const wrapped = ((index % (2 * length)) + 2 * length) % (2 * length);
  return wrapped < length ? wrapped : 2 * length - 1 - wrapped;
}

/** The Y of three planes of red, green and blue, by BT.601. */
export function lumaOf(planes: Float32Array): Float32Array {
  const count = planes.length / 3;
  const luma = new Float32Array(count);
  for (let i = 0; i < count; i += 1) {
    luma[i] = 0.299 * planes[i]! + 0.587 * planes[count + i]! + 0.114 * planes[2 * count + i]!;
  }
  return luma;
}

function enlarged(planes: Float32Array, size: Size, to: Size): Float32Array {
  if (to.width === size.width && to.height === size.height) return planes.slice();
  const count = size.width * size.height;
  const result = new Float32Array(3 * to.width * to.height);
  for (let channel = 0; channel < 3; channel += 1) {
    const plane = planes.subarray(channel * count, (channel + 1) * count);
    const { data } = resize({ data: plane, ...size, channels: 1 }, to, bicubic);
    result.set(data, channel * to.width * to.height);
  }
  return result;
}

/** Moves every pixel to the given luma along the gray axis, which leaves its chroma as it is. An answer of a wrong size passes as it is. */
function withLuma(planes: Float32Array, luma: Float32Array): Float32Array {
  if (luma.length * 3 !== planes.length) return luma;
  const own = lumaOf(planes);
  for (let i = 0; i < own.length; i += 1) {
    const change = luma[i]! - own[i]!;
    planes[i]! += change;
    planes[own.length + i]! += change;
    planes[2 * own.length + i]! += change;
  }
  return planes;
}
