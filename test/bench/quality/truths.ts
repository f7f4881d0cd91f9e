import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { MemoryPicture } from "../../measures/memory-picture.ts";
import { readPicture } from "../../measures/read-picture.ts";

/** A picture that is known undamaged. */
export interface Truth {
  readonly name: string;
  readonly picture: MemoryPicture;
}

const BENCHMARK = fileURLToPath(new URL("../../../../shared/benchmark", import.meta.url));
const PORTRAIT = fileURLToPath(new URL("../../../examples/portrait.original.png", import.meta.url));
export const MODELS = fileURLToPath(new URL("../../../../shared/models", import.meta.url));

export const isBenchmarkHere = (): boolean => existsSync(BENCHMARK);

/** A set of pictures by name, each cut to whole multiples of `multiple` pixels at the right and the bottom. */
export async function readSet(set: "kodak24" | "set5" | "set14", multiple: number): Promise<Truth[]> {
  const files = (await readdir(join(BENCHMARK, set))).filter((name) => name.endsWith(".png")).toSorted();
  return await Promise.all(
    files.map(async (file) => ({
      name: basename(file, ".png"),
      picture: cut(await readPicture(join(BENCHMARK, set, file)), multiple),
    })),
  );
}

/** The public-domain portrait of the examples. */
export async function readPortrait(): Promise<Truth> {
  return { name: "portrait", picture: cut(await readPicture(PORTRAIT), 4) };
}

/** `count` of the pictures, spread evenly over all of them. */
export function spread<T>(all: readonly T[], count: number): T[] {
  if (count >= all.length) return [...all];
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
}

function cut(picture: MemoryPicture, multiple: number): MemoryPicture {
  const { width, height } = picture;
  return crop(picture, { width: width - (width % multiple), height: height - (height % multiple) });
}

/** The part of a picture from `x`, `y`; from its upper left corner by default. */
export function crop(
  picture: MemoryPicture,
  part: { width: number; height: number; x?: number; y?: number },
): MemoryPicture {
  const { width, height, x = 0, y = 0 } = part;
  const { channels } = picture;
  const data = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row += 1) {
    const from = ((row + y) * picture.width + x) * channels;
    data.set(picture.data.subarray(from, from + width * channels), row * width * channels);
  }
  return { data, width, height, channels };
}
