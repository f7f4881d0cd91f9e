import { bicubic, lanczos3 } from "#agent/image/resample.ts";
import type { MemoryPicture } from "../../measures/memory-picture.ts";
import { psnr } from "../../measures/psnr.ts";
import { ssim } from "../../measures/ssim.ts";
import { fitted } from "./fitted.ts";
import type { ModelBench } from "./model-bench.ts";

/** The classical task: a clean picture at a quarter of its size, enlarged again. */
const SCALE = 4;

/** As the papers give it: over Y, the edges left out by as many pixels as the scale. */
export interface EnlargementScore {
  readonly psnrY: number;
  readonly ssim: number;
}

/** Enlargements without a model, by name. */
export const PLAIN_ENLARGERS = { bicubic, "Lanczos 3": lanczos3 } as const;

/** The picture at a quarter of its size by MATLAB's antialiased bicubic, rounded to 8 bits. */
export function reduced(truth: MemoryPicture): MemoryPicture {
  return fitted(truth, { width: truth.width / SCALE, height: truth.height / SCALE }, bicubic);
}

/** ×4 by a model; a model of ×2 runs twice. */
export async function enlargedBy(
  bench: ModelBench,
  model: { id: string; scale: number },
  small: MemoryPicture,
): Promise<MemoryPicture> {
  let picture = small;
  for (let scale = 1; scale < SCALE; scale *= model.scale) {
    picture = await bench.pass(picture, { model: model.id, scale: model.scale });
  }
  return small.channels === 1 ? asGray(picture) : picture;
}

/** A picture whose file is gray is measured on its own levels, as the papers do. */
export function scoreEnlargement(picture: MemoryPicture, truth: MemoryPicture): EnlargementScore {
  const options = { borderPixels: SCALE };
  return {
    psnrY: psnr(picture, truth, { ...options, over: "y" }),
    ssim: ssim(picture, truth, options),
  };
}

function asGray({ data, width, height }: MemoryPicture): MemoryPicture {
  const gray = new Uint8Array(width * height);
  for (let i = 0, at = 0; i < gray.length; i += 1, at += 3) {
    gray[i] = 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]! + 0.5;
  }
  return { data: gray, width, height, channels: 1 };
}
