/**
 * `npm run bench:pixels`: what a job of at least 12 megapixels costs beside its model, as a ratio to libvips writing
 * the same PNG again, and each of its loops against a plain copy. Writes docs/pixels.md.
 * Keys of the last line: cpu_ratio_vips (processor time, the larger of ×1 and ×2), cpu_ratio_vips_with_start (with what
 * the decoder's process takes to start), wall_ratio_vips (elapsed time), ms_per_mp (processor time for a megapixel, ×1).
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { createQuarantine, type Quarantine } from "#functions/intake/decode.ts";
import { median } from "./bench-stack.ts";
import { reencodeByVips, runCpuHalf, type HalfSpent, type Spent } from "./pixels-job.ts";
import { pixelsPage, type PixelsRow } from "./pixels-page.ts";
import { measureParts } from "./pixels-parts.ts";
import { writePixelsPhotograph, type PixelsPhotograph } from "./pixels-photograph.ts";

const HELP = `Usage: npm run bench:pixels -- [options]

  --rounds N  runs of each job (5)
`;
const SCALES = [1, 2] as const;
const PAGE = fileURLToPath(new URL("../../docs/pixels.md", import.meta.url));

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, help: { type: "boolean", default: false } },
});
const rounds = Number(values.rounds);
if (values.help || !Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const words = ({ wall, cpu }: Spent): string => `${cpu.toFixed(2)} s (${wall.toFixed(2)})`;

interface Run {
  readonly half: HalfSpent;
  readonly vips: Spent;
}

async function runOnce(
  photo: PixelsPhotograph,
  scale: number,
  { quarantine, folder }: { quarantine: Quarantine; folder: string },
): Promise<Run> {
  await mkdir(folder);
  const half = await runCpuHalf(photo, { quarantine, scale, folder });
  const vips = await reencodeByVips(folder);
  await rm(folder, { recursive: true });
  const parts = (["start", "decode", "tiles", "raster", "encode"] as const).map(
    (part) => `${part} ${words(half[part])}`,
  );
  say(
    `×${scale}: ${parts.join(", ")}; all but start ${words(half.total)}; libvips ${words(vips)}; ` +
      `ratio ${(half.total.cpu / vips.cpu).toFixed(2)} (${(half.total.wall / vips.wall).toFixed(2)})`,
  );
  return { half, vips };
}

function summary(runs: readonly Run[], scale: number, { width, height }: PixelsPhotograph): PixelsRow {
  const ratio = ({ half, vips }: Run): number => half.total.cpu / vips.cpu;
  const ordered = runs.toSorted((a, b) => ratio(a) - ratio(b));
  const { half, vips } = ordered[ordered.length >> 1]!;
  return {
    scale,
    resultMegapixels: (width * height * scale ** 2) / 1e6,
    half,
    vips,
    ratio: {
      cpu: median(runs.map(ratio)),
      wall: median(runs.map((run) => run.half.total.wall / run.vips.wall)),
      withStart: median(runs.map((run) => (run.half.total.cpu + run.half.start.cpu) / run.vips.cpu)),
    },
    runs: runs.length,
  };
}

const folder = await mkdtemp(join(tmpdir(), "photokeep-pixels-"));
try {
  const photo = await writePixelsPhotograph(join(folder, "photograph.jpg"));
  say(`${photo.width} × ${photo.height}: ${photo.content}`);
  say("Processor time over all threads (elapsed time in brackets).");
  // The same threads for both: libvips by itself takes one here.
  sharp.concurrency(availableParallelism());
  await using quarantine = createQuarantine();
  const runs = new Map<number, Run[]>(SCALES.map((scale) => [scale, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const [scale, list] of runs)
      list.push(await runOnce(photo, scale, { quarantine, folder: join(folder, "run") }));
  const rows = [...runs].map(([scale, list]) => summary(list, scale, photo));

  const parts = await measureParts(photo.path, rounds);
  for (const { name, msPerMegapixel, overCopy } of parts)
    say(
      `${msPerMegapixel.toFixed(1).padStart(6)} ms/MP, ${overCopy.toFixed(1).padStart(5)} × a copy: ${name}`,
    );
  await writeFile(PAGE, pixelsPage(photo.content, rows, parts));
  const round = (value: number): number => Math.round(value * 1_000) / 1_000;
  const [first] = rows;
  say(
    JSON.stringify({
      cpu_ratio_vips: round(Math.max(...rows.map(({ ratio }) => ratio.cpu))),
      cpu_ratio_vips_with_start: round(Math.max(...rows.map(({ ratio }) => ratio.withStart))),
      wall_ratio_vips: round(Math.max(...rows.map(({ ratio }) => ratio.wall))),
      ms_per_mp: round(((first?.half.total.cpu ?? Number.NaN) * 1_000) / (first?.resultMegapixels ?? 1)),
    }),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);
