import { findModel } from "#shared/domain/catalogue.ts";
import { invariant } from "#shared/domain/fault.ts";
import { NO_FOOTPRINT } from "#agent/vram/footprint.ts";
import { chooseTile } from "#agent/vram/tile-choice.ts";
import { openModelStore } from "#agent/models/model-store.ts";
import type { BenchModel, ModelPlaces } from "./real-pool.ts";

/**
 * Real models and the sides of the tiles that they run on here, small ones so that a stage takes a tenth of a second.
 * The last are from npm packages and always here.
 */
const TILE_SIDES: Readonly<Record<string, number>> = {
  "realesrgan-x4plus": 32,
  "realesr-general-x4v3": 64,
  "realesr-general-wdn-x4v3": 64,
  "realesr-animevideov3-x4": 64,
  "nomos-span-x2": 96,
  "waifu2x-photo-x2": 96,
  "ffdnet-color": 128,
  "dncnn-color-blind": 64,
  "dncnn3-dejpeg-luma": 64,
  "scratch-dust-unet": 128,
  "skin-clothes-hair": 512,
  "esrgan-thick": 32,
  facemesh: 192,
};

/** So large that they have a part to themselves: not used where many loads are wanted. */
export const HEAVY: ReadonlySet<string> = new Set(["realesrgan-x4plus", "esrgan-thick", "skin-clothes-hair"]);

/** Those that are here, prepared; each counts as much as the product counts for it: its session and its largest tile. */
export async function poolModels(places: ModelPlaces): Promise<readonly BenchModel[]> {
  const store = openModelStore({ dir: places.modelsDir, extraDirs: places.extraModelDirs });
  const here = new Set((await store.available()).map(({ id }) => id));
  const ids = Object.keys(TILE_SIDES).filter((id) => here.has(id));
  for (const id of ids) await store.prepare(id);
  return ids.map((id) => {
    const entry = findModel(id);
    invariant(entry !== undefined, `${id} is in the catalogue`);
    const { sessionBytes, activationBytes } = chooseTile(entry, NO_FOOTPRINT, Infinity);
    return { id, bytes: sessionBytes + activationBytes, tilePixels: TILE_SIDES[id]! ** 2 };
  });
}

/** What holds about so many of them, and every single one. */
export function budgetFor(models: readonly BenchModel[], count: number): number {
  const mean = models.reduce((sum, { bytes }) => sum + bytes, 0) / models.length;
  return Math.max(Math.round(count * mean), ...models.map(({ bytes }) => bytes));
}
