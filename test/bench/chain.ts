/**
 * `npm run bench:chain`: which cleaning goes best before which enlarger, on the old photographs of `bench:quality`. What
 * cleaning.ts and the catalogue's `cleans` rest on. Writes docs/chain.md. Keys of the last line: the gain in dB over the
 * input enlarged by bicubic at medium severity, `none/…`, `grain2/…`, `blocks_grain1_5/…` by enlarger.
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Analysis } from "#shared/domain/analysis.ts";
import { bicubic } from "#agent/image/resample.ts";
import { applyTone, toneCorrection } from "#agent/image/tone.ts";
import { psnr } from "../measures/psnr.ts";
import type { MemoryPicture } from "../measures/memory-picture.ts";
import { readPicture } from "../measures/read-picture.ts";
import { fitted } from "./quality/fitted.ts";
import { openModelBench, type ModelBench } from "./quality/model-bench.ts";
import { makeOld, REDUCTION, SEVERITIES, type SeverityName } from "./quality/old-photo.ts";
import { isBenchmarkHere, MODELS, readSet, spread } from "./quality/truths.ts";

const SEED = 1969;
const GRAIN_MODEL = "ffdnet-color";
const BLOCKS_MODEL = "dncnn3-dejpeg-luma";
/** As in cleaning.ts. */
const STRENGTH_MAX = 20 / 255;

/** Whether the blocks go first, and how many times the measured grain is taken; 0 takes none. */
const CLEANINGS = [
  { id: "none", blocks: false, grain: 0 },
  { id: "grain1", blocks: false, grain: 1 },
  { id: "grain2", blocks: false, grain: 2 },
  { id: "blocks", blocks: true, grain: 0 },
  { id: "blocks_grain1_5", blocks: true, grain: 1.5 },
  { id: "blocks_grain2", blocks: true, grain: 2 },
] as const;
const ENLARGERS = ["bicubic", "waifu2x-photo-noise1-x2", "nomos-span-x2", "realesr-general-x4v3"] as const;

const { values } = parseArgs({
  options: { pictures: { type: "string", default: "6" }, help: { type: "boolean", default: false } },
});
if (values.help) {
  process.stdout.write("npm run bench:chain -- [--pictures N]   N of the 24 Kodak pictures, 6 by default\n");
} else if (isBenchmarkHere()) {
  await measureAll(Number(values.pictures));
} else {
  process.stdout.write("skipped: the pictures are not here (../shared/benchmark)\n{}\n");
}

async function measureAll(count: number): Promise<void> {
  await using bench = await openModelBench(MODELS);
  const truths = spread(await readSet("kodak24", REDUCTION), count);
  const severities = Object.keys(SEVERITIES) as SeverityName[];
  const gains = new Map<string, number>();
  for (const severity of severities) {
    for (const { name, picture } of truths) {
      const { upload } = await makeOld(picture, { seed: SEED, name, severity });
      const input = await readPicture(upload);
      const analysis = await bench.analyse(input);
      const before = psnr(fitted(input, picture, bicubic), picture);
      for (const cleaning of CLEANINGS) {
        const clean = await cleaned(bench, input, { ...cleaning, noise: analysis.noise });
        for (const enlarger of ENLARGERS) {
          const large =
            enlarger === "bicubic" ? clean : await bench.pass(clean, { model: enlarger, scale: 2 });
          const result = psnr(fitted(toned(large, analysis), picture, bicubic), picture);
          const key = `${severity}/${cleaning.id}/${enlarger}`;
          gains.set(key, (gains.get(key) ?? 0) + (result - before) / truths.length);
        }
      }
      process.stdout.write(`${severity} ${name}\n`);
    }
  }
  await writeFile(
    fileURLToPath(new URL("../../docs/chain.md", import.meta.url)),
    page(severities, gains, truths.length),
  );
  const wanted = ["none", "grain2", "blocks_grain1_5"].flatMap((cleaning) =>
    ENLARGERS.map((enlarger) => `${cleaning}/${enlarger}`),
  );
  const figures = wanted.map((key) => [key, Math.round((gains.get(`medium/${key}`) ?? 0) * 100) / 100]);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(figures))}\n`);
}

async function cleaned(
  bench: ModelBench,
  input: MemoryPicture,
  { blocks, grain, noise }: { blocks: boolean; grain: number; noise: number },
): Promise<MemoryPicture> {
  const smooth = blocks ? await bench.pass(input, { model: BLOCKS_MODEL, scale: 1 }) : input;
  if (grain === 0) return smooth;
  const sigma = Math.min(STRENGTH_MAX, grain * noise);
  return await bench.pass(smooth, { model: GRAIN_MODEL, scale: 1, conditions: { sigma } });
}

/** As the stage `finish` does it. */
function toned(picture: MemoryPicture, { tone }: Analysis): MemoryPicture {
  const curves = toneCorrection(tone, { strength: 1 });
  if (curves === undefined) return picture;
  const rows = Uint16Array.from(picture.data, (level) => level * 257);
  applyTone(rows, curves);
  return { ...picture, data: Uint8Array.from(rows, (sample) => Math.round(sample / 257)) };
}

function page(severities: readonly string[], gains: ReadonlyMap<string, number>, count: number): string {
  const words = { none: "nothing", grain1: "grain ×1", grain2: "grain ×2", blocks: "blocks" } as const;
  const titleOf = (id: string): string =>
    id in words
      ? words[id as keyof typeof words]
      : id.replace("blocks_grain", "blocks, then grain ×").replace("_", ".");
  const tables = severities.map((severity) => {
    const rows = CLEANINGS.map(({ id }) => {
      const cells = ENLARGERS.map((enlarger) => (gains.get(`${severity}/${id}/${enlarger}`) ?? 0).toFixed(2));
      return `| ${titleOf(id)} | ${cells.join(" | ")} |`;
    });
    const { jpegQualities } = SEVERITIES[severity as SeverityName];
    return `## ${severity}, JPEG ${jpegQualities[1]}\n\n| taken away before | ${ENLARGERS.join(" | ")} |\n| --- |${" ---: |".repeat(ENLARGERS.length)}\n${rows.join("\n")}`;
  });
  return `# What goes before which enlarger

Written by \`npm run bench:chain\`; do not edit. Mean gain in dB PSNR over the input enlarged by bicubic, ${count} Kodak
pictures made old as in [quality.md](quality.md), fading undone as measured. Grain goes by FFDNet, told that many times
the measured noise; blocks by DnCNN-3 on the luma.

${tables.join("\n\n")}
`;
}
