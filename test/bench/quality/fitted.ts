import { resize, type Kernel } from "#agent/image/resample.ts";
import { levelsOf, type MemoryPicture } from "../../measures/memory-picture.ts";

/** The picture resized by our resampler, rounded to 8 bits; the picture itself where it has the size. */
export function fitted(
  picture: MemoryPicture,
  { width, height }: { width: number; height: number },
  kernel: Kernel,
): MemoryPicture {
  if (picture.width === width && picture.height === height) return picture;
  const { channels } = picture;
  const from = { data: levelsOf(picture), width: picture.width, height: picture.height, channels };
  return { data: toLevels(resize(from, { width, height }, kernel).data), width, height, channels };
}

/** Rounded and clipped to 0..255. */
export function toLevels(values: Float32Array): Uint8Array<ArrayBuffer> {
  const levels = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i += 1) levels[i] = Math.min(255, Math.max(0, values[i]!)) + 0.5;
  return levels;
}
