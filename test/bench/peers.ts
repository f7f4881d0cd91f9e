/**
 * `npm run bench:peers`: the same weights on the same photographs and machine three ways, in turns: PhotoKeep through its
 * whole local stack, UpscalerJS, and a plain Python loop on ONNX Runtime. Seconds per megapixel with esrgan-thick, peak
 * memory on a photograph of 4 MP (64 MP of result) with esrgan-slim, and whether the results are the same picture. Peers
 * are installed into a cache folder, and left out with a word where that fails. Writes docs/peers.md. Linux only.
 * Keys of the last line: speed_vs_upscalerjs, time_vs_python (wall clock), cpu_vs_upscalerjs, cpu_vs_python, peak_mb,
 * peak_mb_upscalerjs, peak_mb_python, backend, likeness_db_min.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { median } from "./bench-stack.ts";
import { contendersOf, installPeers, type Contenders, type PeerKey } from "./peers/contenders.ts";
import {
  likenesses,
  measurePeaks,
  measureSpeeds,
  ratiosOf,
  type PeerPeak,
  type PeerPicture,
} from "./peers/peer-measure.ts";
import type { PeerRun } from "./peers/peer.ts";
import type { PeerRequest, Weights } from "./peers/peer-protocol.ts";
import { peersPage } from "./peers/peers-page.ts";
import { convertSlim } from "./peers/slim-model.ts";
import { makePhotograph } from "./photograph.ts";
import { STAND_IN_FILE } from "./stand-in-place.ts";
import { openModelStore } from "#agent/models/model-store.ts";
import { planTiles } from "#agent/image/tile.ts";
import { choosePlaces, chooseThreads } from "#local/places.ts";
import { prepareModels } from "#local/prepare-models.ts";

const HELP = `Usage: npm run bench:peers -- [options]

  --turns N   turns of PhotoKeep and Python; UpscalerJS joins every other one (default 5)
  --quick     256×256 pixels, one turn, no memory; docs/ is left as it is
  --thick     memory with esrgan-thick too (UpscalerJS alone takes the better part of an hour)

The peers lie in $XDG_CACHE_HOME/photokeep/peers (~/.cache/photokeep/peers).
`;
const PHOTO = fileURLToPath(new URL("../../examples/portrait.original.png", import.meta.url));
const PAGE = fileURLToPath(new URL("../../docs/peers.md", import.meta.url));
const SIDE = { whole: 448, quick: 256, warm: 96 };
const MEMORY_MEGAPIXELS = 4;
const SEED = 1;
/** Below this it would not be the same picture: another decoder, other weights, a seam. */
const LIKENESS_DB_MIN = 45;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { values } = parseArgs({
  options: {
    turns: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    thick: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const turns = values.quick ? 1 : Number(values.turns);
if (values.help || !Number.isInteger(turns) || turns < 1) {
  say(HELP);
  process.exit(values.help ? 0 : 2);
}

const work = mkdtempSync(join(tmpdir(), "photokeep-peers-"));
// What the contenders leave when they are killed lies in it as well, and goes with it.
process.env["TMPDIR"] = work;
process.once("exit", () => rmSync(work, { recursive: true, force: true, maxRetries: 3 }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const places = choosePlaces({ data: work, models: "none", cwd: process.cwd() });
await prepareModels(places, say);
const thick = await openModelStore({ dir: places.modelsDir }).locate("esrgan-thick");
const { context, multiple, pixelsMax: tilePixelsMax } = thick.entry.tile;
const threads = chooseThreads(0);
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "photokeep/peers");
const installed = await installPeers(cache, say);

const planOf = (size: { width: number; height: number }): PeerRequest["plan"] =>
  planTiles({ ...size, context, multiple, tilePixelsMax });
const contendersWith = (weights: Weights, model: string): Contenders =>
  contendersOf(installed, { weights, model, tilePixelsMax, context, threads });

async function writeSquare(side: number): Promise<PeerPicture> {
  const input = join(work, `${side}.png`);
  await sharp(PHOTO).resize(side, side).png().toFile(input);
  return { input, plan: planOf({ width: side, height: side }), megapixels: side ** 2 / 1e6 };
}

async function writeLarge(): Promise<PeerPicture> {
  const photograph = await makePhotograph(MEMORY_MEGAPIXELS, SEED);
  const input = join(work, "large.jpg");
  await writeFile(input, photograph.bytes);
  return { input, plan: planOf(photograph), megapixels: MEMORY_MEGAPIXELS };
}

/** The product's weights, or the light ones of npm in their place. */
async function contendersForMemory(): Promise<Contenders | undefined> {
  if (values.thick) return contendersWith("esrgan-thick", thick.path);
  if (installed.upscaler === undefined) return undefined;
  const model = join(await mkdtemp(join(work, "slim-")), STAND_IN_FILE);
  await writeFile(model, await convertSlim(installed.upscaler));
  return contendersWith("esrgan-slim", model);
}

const place = { folder: work, say };
const picture = await writeSquare(values.quick ? SIDE.quick : SIDE.whole);
const speeds = await measureSpeeds(
  contendersWith("esrgan-thick", thick.path),
  { picture, warm: await writeSquare(SIDE.warm), turns },
  place,
);
const likeness = await likenesses(speeds.keys(), picture, place);

const forMemory = values.quick ? undefined : await contendersForMemory();
let peaks: ReadonlyMap<PeerKey, PeerPeak> = new Map();
if (forMemory !== undefined) {
  peaks = await measurePeaks(forMemory, { picture: await writeLarge(), warm: picture }, place);
  likeness.push(...(await likenesses(peaks.keys(), picture, place)));
  await writeFile(
    PAGE,
    peersPage({
      threads,
      side: SIDE.whole,
      tiles: picture.plan.tiles,
      weights: values.thick ? "esrgan-thick" : "esrgan-slim",
      speeds,
      peaks,
      likeness: Math.min(...likeness.map(({ db }) => db)),
    }),
  );
}
if (likeness.some(({ db }) => db < LIKENESS_DB_MIN))
  say(`Less than ${LIKENESS_DB_MIN} dB: not the same picture, the figures compare nothing.`);

const round = (value: number): number => Math.round(value * 1000) / 1000;
function ratio(over: PeerKey, under: PeerKey, of: keyof PeerRun): number | null {
  const ratios = ratiosOf(speeds.get(over), speeds.get(under), of);
  return ratios.length === 0 ? null : round(median(ratios));
}
function megabytes(key: PeerKey): number | null {
  const peak = peaks.get(key);
  return peak === undefined ? null : Math.round(peak.bytes / 1e6);
}
say(
  JSON.stringify({
    speed_vs_upscalerjs: ratio("upscalerjs", "photokeep", "seconds"),
    time_vs_python: ratio("photokeep", "python", "seconds"),
    cpu_vs_upscalerjs: ratio("upscalerjs", "photokeep", "cpuSeconds"),
    cpu_vs_python: ratio("photokeep", "python", "cpuSeconds"),
    peak_mb: megabytes("photokeep"),
    peak_mb_upscalerjs: megabytes("upscalerjs"),
    peak_mb_python: megabytes("python"),
    backend: speeds.get("upscalerjs")?.name ?? null,
    likeness_db_min: likeness.length === 0 ? null : round(Math.min(...likeness.map(({ db }) => db))),
  }),
);
process.exit(0);
