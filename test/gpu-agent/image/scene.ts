import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { createPixelSampler, type PixelSample, type Pixels } from "#agent/image/pixel-sample.ts";

/** A picture that tests may change. */
export type Scene = Pixels & { data: Float32Array };

/** Numbers in 0..1, always the same ones (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * A landscape of the full range: a sky with white clouds, a wall in sun and shade, black windows, and patches of red,
 * green and blue.
 */
export function paintScene(width = 256, height = 192): Scene {
  const data = new Float32Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(colourAt(x / width, y / height), (y * width + x) * 3);
  }
  return { width, height, data };
}

function colourAt(x: number, y: number): [number, number, number] {
  if (y < 0.4) {
    const isCloud =
      Math.hypot((x - 0.3) * 2, (y - 0.2) * 4) < 0.3 || Math.hypot((x - 0.8) * 2, (y - 0.12) * 4) < 0.2;
    return isCloud ? [0.98, 0.99, 1] : [0.35 + y, 0.5 + 0.8 * y, 0.75 + 0.5 * y];
  }
  const column = Math.floor(x * 12);
  if (y < 0.75) {
    if (column % 4 === 1 && y > 0.48 && y < 0.66) return [0.01, 0.02, 0.02];
    const lit = x > 0.5 ? 0.75 : 0.4;
    return [lit, 0.9 * lit, 0.75 * lit];
  }
  const patches: [number, number, number][] = [
    [0.7, 0.1, 0.08],
    [0.15, 0.45, 0.1],
    [0.1, 0.2, 0.6],
    [0.5, 0.4, 0.3],
  ];
  return patches[column % 4]!;
}

export function mapped(scene: Pixels, change: (rgb: [number, number, number]) => readonly number[]): Scene {
  const data = new Float32Array(scene.data.length);
  for (let at = 0; at < data.length; at += 3) {
    data.set(change([scene.data[at]!, scene.data[at + 1]!, scene.data[at + 2]!]), at);
  }
  return { width: scene.width, height: scene.height, data };
}

export const lumaOf = ([red, green, blue]: readonly [number, number, number]) =>
  0.299 * red + 0.587 * green + 0.114 * blue;

/** The scene as a monochrome print, in silver or toned brown. */
export const asGray = (scene: Pixels) => mapped(scene, (rgb) => [lumaOf(rgb), lumaOf(rgb), lumaOf(rgb)]);
export const asSepia = (scene: Pixels) =>
  mapped(scene, (rgb) => [lumaOf(rgb) ** 0.8, lumaOf(rgb), lumaOf(rgb) ** 1.35]);

/** Black and white of each channel moved to where they lie in a faded print. */
export function faded(scene: Pixels, black: readonly number[], white: readonly number[]): Scene {
  return mapped(scene, (rgb) =>
    rgb.map((level, channel) => black[channel]! + (white[channel]! - black[channel]!) * level),
  );
}

/** White noise of the given standard deviation, clipped like a scan. */
export function grainy(scene: Pixels, sigma: number, seed = 1): Scene {
  const random = randomNumbers(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return mapped(scene, (rgb) => rgb.map((level) => Math.min(1, Math.max(0, level + sigma * normal()))));
}

/** 16-bit samples, as the stages carry them. */
export function toRows(scene: Pixels): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(scene.data, (level) => Math.round(Math.min(1, Math.max(0, level)) * 65_535));
}

export function fromRows(rows: Uint16Array, size: { width: number; height: number }): Scene {
  return { ...size, data: Float32Array.from(rows, (level) => level / 65_535) };
}

export function sampled(scene: Pixels): PixelSample {
  const sampler = createPixelSampler(scene);
  sampler.push(toRows(scene));
  return sampler.finish();
}

/** Peak signal-to-noise ratio of the luma, dB. */
export function lumaPsnr(a: Pixels, b: Pixels): number {
  let sum = 0;
  for (let at = 0; at < a.data.length; at += 3) {
    const of = (scene: Pixels) => lumaOf([scene.data[at]!, scene.data[at + 1]!, scene.data[at + 2]!]);
    sum += (of(a) - of(b)) ** 2;
  }
  return -10 * Math.log10(sum / (a.data.length / 3));
}

/** Over all three channels. */
export function colourPsnr(a: Pixels, b: Pixels): number {
  const sum = a.data.reduce((total, level, at) => total + (level - b.data[at]!) ** 2, 0);
  return -10 * Math.log10(sum / a.data.length);
}

/** The photographs of Kodak24, where they lie beside the project; else none. */
export const kodakPaths = Array.from({ length: 24 }, (_, index) =>
  fileURLToPath(
    new URL(
      `../../../../shared/benchmark/kodak24/kodim${String(index + 1).padStart(2, "0")}.png`,
      import.meta.url,
    ),
  ),
).filter((path) => existsSync(path));

export const kodakMissing = kodakPaths.length < 24 && "../shared/benchmark/kodak24 is not at hand";

export async function readScene(path: string): Promise<Scene> {
  const { data, info } = await sharp(path)
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: Float32Array.from(data, (level) => level / 255) };
}
