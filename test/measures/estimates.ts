import { measureNoise } from "#agent/image/noise.ts";
import { createPixelSampler } from "#agent/image/pixel-sample.ts";
import { measureSharpness } from "#agent/image/sharpness.ts";
import { asColour, type MemoryPicture } from "./memory-picture.ts";

/**
 * What the analysis says of a picture on its own: the standard deviation of its grain (0..1 of full scale), and its
 * sharpness (0 blurred, 1 crisp). They need no truth and judge nothing: fine texture may pass for grain.
 */
export function estimate(picture: MemoryPicture): { noise: number; sharpness: number } {
  const sampler = createPixelSampler(picture);
  sampler.push(asColour(picture).data);
  const { tiles } = sampler.finish();
  const noise = measureNoise(tiles);
  return { noise, sharpness: measureSharpness(tiles, noise) };
}
