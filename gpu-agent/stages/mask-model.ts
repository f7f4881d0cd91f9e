import { Fault } from "#shared/domain/fault.ts";
import type { TileModel } from "../image/tiled.ts";
import type { Model } from "./stage.ts";
import { lumaOf } from "./tile-model.ts";

/**
 * A model that finds something, as the tiled pass runs it: three planes in; out comes the probability, 0..1, as three
 * equal planes.
 * @throws Fault conflict `model_invalid` when the catalogue describes a model that answers no mask.
 */
export function createMaskModel(model: Model): TileModel {
  const { entry, imageInput, imageOutput } = model;
  const { layout, input, output } = entry.tensors;
  if (layout !== "nchw" || imageOutput === undefined || output.kind !== "mask" || entry.scale !== 1) {
    throw new Fault("conflict", "model_invalid", `The model ${entry.id} does not answer a mask.`);
  }
  const isColour = input.order === "rgb" || input.order === "bgr";
  return async (planes, { width, height }) => {
    const image = isColour
      ? { data: planes, dims: [1, 3, height, width] }
      : { data: lumaOf(planes), dims: [1, 1, height, width] };
    const outputs = await model.run({ [imageInput]: image });
    const mask = outputs[imageOutput] ?? new Float32Array(0);
    // An answer of a wrong size passes as it is, for the tiled pass to refuse.
    if (mask.length !== width * height) return mask;
    const answer = new Float32Array(3 * mask.length);
    for (let plane = 0; plane < 3; plane += 1) answer.set(mask, plane * mask.length);
    return answer;
  };
}
