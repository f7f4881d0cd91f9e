import { Fault, invariant } from "#shared/domain/fault.ts";
import type { ModelEntry, ModelId } from "#shared/domain/model.ts";
import { denoiseCosine } from "../image/cosine-denoise.ts";
import { deblockJpeg } from "../image/jpeg-deblock.ts";
import { findScratchLines } from "../image/scratch-lines.ts";
import type { FeedTensor, Model } from "./stage.ts";

type Feeds = Readonly<Record<string, FeedTensor>>;
/** What a session would do: the image tensor and the other inputs in, the image or mask out. */
type Compute = (image: Float32Array, size: { width: number; height: number }, feeds: Feeds) => Float32Array;

const COMPUTE: Readonly<Record<ModelId, Compute>> = {
  "cosine-denoise": (planes, size, feeds) =>
    denoiseCosine(planes, { ...size, sigma: numberIn(feeds, "sigma") }),
  "cosine-deblock": (luma, size, feeds) =>
    deblockJpeg(luma, { ...size, quality: numberIn(feeds, "quality") }),
  "scratch-lines": (luma, size) => findScratchLines(luma, size),
};

/**
 * A method of this code behind the tensors that the catalogue promises, so that stages, tiles and benchmarks treat it as
 * any other model. Blocks the thread while it runs, as a session does.
 * @throws Fault conflict `model_invalid` for an entry without code.
 */
export function createBuiltIn(entry: ModelEntry): Model {
  const compute = COMPUTE[entry.id];
  if (compute === undefined)
    throw new Fault("conflict", "model_invalid", `Nothing is built in under the name ${entry.id}.`);
  const { input, output } = entry.tensors;
  invariant(
    input.name !== undefined && output.kind !== "values" && output.name !== undefined,
    "tensors are named",
  );
  const imageInput = input.name;
  const imageOutput = output.name;
  return {
    entry,
    imageInput,
    imageOutput,
    run(feeds) {
      const image = feeds[imageInput];
      invariant(image?.data instanceof Float32Array, "the image is given as float32");
      const [, , height = 0, width = 0] = image.dims;
      return Promise.resolve({ [imageOutput]: compute(image.data, { width, height }, feeds) });
    },
  };
}

function numberIn(feeds: Feeds, name: string): number {
  const value = feeds[name]?.data[0];
  invariant(value !== undefined, `the input ${name} is given`);
  return value;
}
