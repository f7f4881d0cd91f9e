import type { FeedTensor, Model } from "#agent/stages/stage.ts";

const CHANNELS = { rgb: 3, bgr: 3, gray: 1, luma: 1, latent: 4 } as const;
/** Both sides of a tile are multiples of it: what the strictest of the catalogue's models here wants. */
const MULTIPLE = 32;
const GRAY = 0.5;

/**
 * What a model takes for one tile of about so many pixels, all gray: its time does not depend on the picture. A model of
 * one size gets that size.
 */
export function tileFeeds(
  { entry, imageInput }: Model,
  tilePixels: number,
): Readonly<Record<string, FeedTensor>> {
  const { layout, input, extra = [] } = entry.tensors;
  const side =
    entry.tile.fixed ?? Math.max(MULTIPLE, Math.floor(Math.sqrt(tilePixels) / MULTIPLE) * MULTIPLE);
  const { width, height } = input.size ?? { width: side, height: side };
  const channels = CHANNELS[input.order];
  const image: FeedTensor = {
    data: new Float32Array(channels * height * width).fill(GRAY),
    dims: layout === "nchw" ? [1, channels, height, width] : [1, height, width, channels],
  };
  const others = extra.map(({ name, type, shape }): [string, FeedTensor] => {
    const count = shape.reduce((product, size) => product * size, 1);
    const data = type === "float32" ? new Float32Array(count) : new Float64Array(count);
    return [name, { data: data.fill(GRAY), dims: shape }];
  });
  return { ...Object.fromEntries(others), [imageInput]: image };
}
