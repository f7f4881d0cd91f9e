import { createHash } from "node:crypto";
import { createTileModel } from "#agent/stages/tile-model.ts";
import { seededRandom } from "../../gpu-agent/image/picture-fixture.ts";
import { levelsOf, type MemoryPicture } from "../../measures/memory-picture.ts";
import { psnr } from "../../measures/psnr.ts";
import { toLevels } from "./fitted.ts";
import type { ModelBench } from "./model-bench.ts";
import { normal } from "./old-photo.ts";

/** The classical task: white Gaussian noise, neither clipped nor rounded, as the papers on denoising add it. */
const SIGMA_LEVELS = 25;

/**
 * How near a denoiser brings a picture with noise to the truth, in dB over RGB. The whole picture in one piece, because
 * the pass over tiles takes pictures of 16 bits, which cannot hold what lies below black and above white.
 */
export async function scoreDenoising(
  bench: ModelBench,
  id: string,
  { truth, seed, name }: { truth: MemoryPicture; seed: number; name: string },
): Promise<number> {
  const { width, height } = truth;
  await using use = await bench.use(id);
  const run = createTileModel(use.model, { sigma: SIGMA_LEVELS / 255 });
  const planes = await run(noisyPlanes(truth, `${seed}/${name}`), { width, height });
  return psnr({ ...truth, data: interleaved(planes) }, truth);
}

/** Three planes in 0..1 and somewhat beyond. */
function noisyPlanes(truth: MemoryPicture, seed: string): Float32Array {
  const random = seededRandom(createHash("sha256").update(seed).digest().readUInt32LE(0));
  const levels = levelsOf(truth);
  const count = truth.width * truth.height;
  const planes = new Float32Array(3 * count);
  for (let i = 0; i < levels.length; i += 1) {
    planes[(i % 3) * count + Math.floor(i / 3)] = (levels[i]! + SIGMA_LEVELS * normal(random)) / 255;
  }
  return planes;
}

function interleaved(planes: Float32Array): Uint8Array<ArrayBuffer> {
  const count = planes.length / 3;
  const levels = new Float32Array(planes.length);
  for (let i = 0; i < levels.length; i += 1) levels[i] = 255 * planes[(i % 3) * count + Math.floor(i / 3)]!;
  return toLevels(levels);
}
