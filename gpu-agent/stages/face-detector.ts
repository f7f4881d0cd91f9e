import type { Face } from "#shared/domain/analysis.ts";
import { modelsFor } from "#shared/domain/catalogue.ts";
import type { ModelEntry, ModelId } from "#shared/domain/model.ts";
import type { Preset } from "#shared/domain/options.ts";
import { bicubic, resize, type FloatPicture } from "../image/resample.ts";
import { decodeBlazeface } from "./blazeface.ts";
import { bestFaces, placeFaces } from "./face-box.ts";
import type { FeedTensor, Model } from "./stage.ts";
import { decodeYunet } from "./yunet.ts";

/** The longest side a detector is shown. */
export const DETECTOR_SIDE_MAX = 640;
const OVERLAP_MAX = 0.3;

interface Size {
  readonly width: number;
  readonly height: number;
}
type Decode = (outputs: Readonly<Record<string, Float32Array>>, size: Size) => Face[];

/** How each detector's values become boxes, in pixels of its tensor. */
const DECODERS: Readonly<Record<ModelId, Decode>> = {
  yunet: decodeYunet,
  "yunet-640": decodeYunet,
  blazeface: decodeBlazeface,
};

/** The best detector among the models at hand. */
export function chooseDetector(ids: readonly string[], preset: Preset): ModelId | undefined {
  return modelsFor("face-detect", { preset }).find((id) => ids.includes(id) && id in DECODERS);
}

/**
 * Finds faces.
 * @param picture the photograph, its longest side at most DETECTOR_SIDE_MAX, gray or RGB in 0..1.
 * @param original its own size: the boxes come in its pixels.
 */
export async function detectFaces(model: Model, picture: FloatPicture, original: Size): Promise<Face[]> {
  const { entry } = model;
  const size = tensorSize(entry, picture);
  const shown = fitInto(picture, size);
  const outputs = await model.run({ [model.imageInput]: packLetterbox(entry, shown, size) });
  const found = DECODERS[entry.id]?.(outputs, size) ?? [];
  const scale = original.width / shown.width;
  return placeFaces(bestFaces(found, OVERLAP_MAX), { scale, picture: original });
}

/** The graph's fixed size, or the picture's, rounded up to the graph's multiple. */
function tensorSize({ tensors, tile }: ModelEntry, { width, height }: Size): Size {
  if (tensors.input.size !== undefined) return tensors.input.size;
  const up = (side: number): number => Math.ceil(side / tile.multiple) * tile.multiple;
  return { width: up(width), height: up(height) };
}

/** Reduces the picture to fit; never enlarges it. */
function fitInto(picture: FloatPicture, size: Size): FloatPicture {
  const scale = Math.min(size.width / picture.width, size.height / picture.height);
  if (scale >= 1) return picture;
  const side = (length: number): number => Math.max(1, Math.floor(length * scale));
  return resize(picture, { width: side(picture.width), height: side(picture.height) }, bicubic);
}

/** The picture in the top left corner, black around it, in the graph's layout, order and range. */
function packLetterbox({ tensors }: ModelEntry, picture: FloatPicture, size: Size): FeedTensor {
  const { layout, input } = tensors;
  const count = size.width * size.height;
  const data = new Float32Array(3 * count).fill(input.low);
  const { channels } = picture;
  const range = input.high - input.low;
  // A plane lies together, or its values lie three apart.
  const [planeStep, pixelStep] = layout === "nchw" ? [count, 1] : [1, 3];
  for (let place = 0; place < 3; place += 1) {
    const channel = channels === 1 ? 0 : input.order === "bgr" ? 2 - place : place;
    for (let y = 0; y < picture.height; y += 1) {
      let from = y * picture.width * channels + channel;
      let to = place * planeStep + y * size.width * pixelStep;
      for (let x = 0; x < picture.width; x += 1, from += channels, to += pixelStep) {
        data[to] = input.low + picture.data[from]! * range;
      }
    }
  }
  const dims = layout === "nchw" ? [1, 3, size.height, size.width] : [1, size.height, size.width, 3];
  return { data, dims };
}
