import { findModel } from "#shared/domain/catalogue.ts";
import type { ModelId } from "#shared/domain/model.ts";
import { fitted } from "./fitted.ts";
import { scoreDenoising } from "./gaussian-noise.ts";
import { ofTasks, openModelBench, type ModelBench } from "./model-bench.ts";
import type { ScoreDoors } from "./old-photo-scores.ts";
import type { ClassicalRow } from "./quality-page.ts";
import { resultKey } from "./result-cache.ts";
import { enlargedBy, PLAIN_ENLARGERS, reduced, scoreEnlargement } from "./super-resolution.ts";
import type { EnlargementScore } from "./super-resolution.ts";
import { readSet, type Truth } from "./truths.ts";

/** The rows of a table and the figures in it. */
export interface ClassicalTask {
  readonly rows: readonly ClassicalRow[];
  /** Mean dB by `set/model`, or by model. */
  readonly figures: ReadonlyMap<string, number>;
}

/** Y-PSNR and SSIM as the papers on super-resolution print them for bicubic. */
const publishedBicubic = "28.42, .8104; 26.00, .7027";
/** RGB PSNR on Kodak24 at σ 25: FFDNet (Zhang, Zuo, Zhang 2018) and DnCNN in the tables of DRUNet (Zhang et al. 2021). */
const publishedDenoising: Readonly<Record<ModelId, number>> = {
  "ffdnet-color": 32.13,
  "dncnn-color-blind": 32.14,
};

/** Set5 and Set14 ×4 by everything at hand that enlarges. */
export async function enlargementTask(ids: readonly string[], doors: ScoreDoors): Promise<ClassicalTask> {
  const sets = { set5: await readSet("set5", 4), set14: await readSet("set14", 4) };
  const upscalers = ofTasks(ids, ["upscale"]);
  await using lazy = openLazily();
  const rows: ClassicalRow[] = [];
  const figures = new Map<string, number>();
  for (const name of [...Object.keys(PLAIN_ENLARGERS), ...upscalers]) {
    const cells: string[] = [];
    for (const [set, truths] of Object.entries(sets)) {
      const scores: EnlargementScore[] = [];
      for (const truth of truths) scores.push(await enlargementScore(name, truth, { ...doors, lazy }));
      const psnrY = scores.reduce((sum, score) => sum + score.psnrY, 0) / scores.length;
      const ssim = scores.reduce((sum, score) => sum + score.ssim, 0) / scores.length;
      figures.set(`${set}/${name}`, psnrY);
      cells.push(psnrY.toFixed(2), ssim.toFixed(4));
      doors.say(`×4 ${set} ${name}: ${psnrY.toFixed(2)} dB`);
    }
    const twice = findModel(name)?.scale === 2 ? " (twice)" : "";
    rows.push({
      name: `${name}${twice}`,
      cells: [...cells, name === "bicubic" ? publishedBicubic : "–"],
    });
  }
  return { rows, figures };
}

/** Kodak24 with white noise of σ 25 by the denoisers of colour. */
export async function denoisingTask(
  truths: readonly Truth[],
  ids: readonly string[],
  doors: ScoreDoors,
): Promise<ClassicalTask> {
  await using lazy = openLazily();
  const rows: ClassicalRow[] = [];
  const figures = new Map<string, number>();
  for (const [id, published] of Object.entries(publishedDenoising)) {
    if (!ids.includes(id)) continue;
    let sum = 0;
    for (const truth of truths) sum += await denoisingScore(id, truth, { ...doors, lazy });
    figures.set(id, sum / truths.length);
    doors.say(`σ 25 ${id}: ${(sum / truths.length).toFixed(2)} dB`);
    rows.push({
      name: id,
      cells: [String(truths.length), (sum / truths.length).toFixed(2), published.toFixed(2)],
    });
  }
  return { rows, figures };
}

type Doors = ScoreDoors & { readonly lazy: LazyBench };

async function enlargementScore(
  name: string,
  { picture }: Truth,
  { cache, versions, lazy }: Doors,
): Promise<EnlargementScore> {
  const key = resultKey([versions.models, "enlargement", name, picture.data as Uint8Array]);
  if (cache.has(key)) return await cache.value(key);
  const small = reduced(picture);
  const kernel = Object.entries(PLAIN_ENLARGERS).find(([plain]) => plain === name)?.[1];
  const scale = findModel(name)?.scale ?? 1;
  const large =
    kernel === undefined
      ? await enlargedBy(await lazy.open(), { id: name, scale }, small)
      : fitted(small, picture, kernel);
  const value = scoreEnlargement(large, picture);
  await cache.put(key, { value });
  return value;
}

async function denoisingScore(
  id: string,
  { name, picture }: Truth,
  { cache, versions, seed, lazy }: Doors,
): Promise<number> {
  const key = resultKey([versions.models, "denoising", String(seed), id, name, picture.data as Uint8Array]);
  if (cache.has(key)) return await cache.value(key);
  const value = await scoreDenoising(await lazy.open(), id, { truth: picture, seed, name });
  await cache.put(key, { value });
  return value;
}

type LazyBench = { open(): Promise<ModelBench> } & AsyncDisposable;

/** The models are loaded only when something is missing in the cache. */
function openLazily(models?: string): LazyBench {
  let bench: Promise<ModelBench> | undefined;
  return {
    open: () => (bench ??= openModelBench(models)),
    async [Symbol.asyncDispose]() {
      await (await bench)?.[Symbol.asyncDispose]();
    },
  };
}
