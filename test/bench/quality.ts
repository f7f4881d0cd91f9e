/**
 * `npm run bench:quality`: how near the presets and every model alone bring photographs that were made old to their
 * truth, what each default stage contributes, and the classical figures of enlargement ×4 and of denoising. Writes
 * docs/quality.md with its plot and contact sheet. Keys of the last line: gain_db_medium, psnr_medium,
 * gain_db_medium_npm, set5_y_psnr, set14_y_psnr (the best enlarger that invents nothing), those of bicubic, and
 * kodak24_sigma25_ffdnet.
 */
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { choosePlaces } from "#local/places.ts";
import { prepareModels } from "#local/prepare-models.ts";
import { CATALOGUE, findModel, isBuiltIn } from "#shared/domain/catalogue.ts";
import { codeDigest } from "./quality/code-digest.ts";
import { denoisingTask, enlargementTask } from "./quality/classical-tasks.ts";
import { contactSheet } from "./quality/contact-sheet.ts";
import { ABLATIONS, aloneMethod, PLAIN, PRESETS, type Method } from "./quality/methods.ts";
import { ofTasks } from "./quality/model-bench.ts";
import { pictureOf, PROGRAMS, scoreCases, type Case, type ScoreDoors } from "./quality/old-photo-scores.ts";
import { SEVERITIES, type SeverityName } from "./quality/old-photo.ts";
import { gainOf, mean, pick, qualityPage, type Score } from "./quality/quality-page.ts";
import { qualityPlot } from "./quality/quality-plot.ts";
import { openResultCache, resultKey } from "./quality/result-cache.ts";
import {
  crop,
  isBenchmarkHere,
  MODELS,
  readPortrait,
  readSet,
  spread,
  type Truth,
} from "./quality/truths.ts";
import type { MemoryPicture } from "../measures/memory-picture.ts";

const HELP = `npm run bench:quality -- [--pictures N] [--beside N] [--slow N] [--severity light,medium,heavy]
                         [--seed N] [--cache DIR] [--quick] [--help]

--pictures N  Kodak pictures for the faithful presets at medium severity; all 24 by default
--beside N    pictures for everything else: other presets and severities, single models, ablations; 8 by default
--severity    which severities; all by default
--cache DIR   where results are kept: a run that was cut short goes on where it stopped
--slow N      pictures for what runs RRDB-23 (minutes each on a CPU); 4 by default
--quick       a crop of the portrait, no models, nothing written: whether the script works
`;
const SEED = 1969;
const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));
const MEASURE = "test/measures/measure.ts";
/** Presets that goals are set for: measured on all pictures. */
const CORE = new Set([...PLAIN.map(({ id }) => id), "faithful", "npm faithful"]);
const SLOW = new Set(["enhanced", "alone realesrgan-x4plus"]);

const { values } = parseArgs({
  options: {
    pictures: { type: "string", default: "24" },
    beside: { type: "string", default: "8" },
    slow: { type: "string", default: "4" },
    severity: { type: "string", default: Object.keys(SEVERITIES).join(",") },
    seed: { type: "string", default: String(SEED) },
    cache: { type: "string", default: join(tmpdir(), "photokeep-quality-results") },
    quick: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const seed = Number(values.seed);
const severities = (Object.keys(SEVERITIES) as SeverityName[]).filter((name) =>
  values.severity.split(",").includes(name),
);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const cache = await openResultCache(values.cache);

if (values.quick) await quick();
else if (isBenchmarkHere()) await whole();
else say("skipped: the pictures are not here (../shared/benchmark)\n{}");
process.exit(0);

async function quick(): Promise<void> {
  const { name, picture } = await readPortrait();
  const truth = { name, picture: crop(picture, { width: 192, height: 192, x: 160, y: 60 }) };
  const doors: ScoreDoors = { cache, seed, versions: await versionsOf([]), say };
  const cases = severities.flatMap((severity) => PLAIN.map((method) => ({ method, severity, truth })));
  const scores = await scoreCases(cases, doors);
  finish({ psnr_bicubic: mean(pick(scores, "bicubic", severities[0] ?? "medium"), ({ psnr }) => psnr) });
}

async function whole(): Promise<void> {
  const here = await prepareModels(
    choosePlaces({ data: undefined, models: MODELS, cwd: process.cwd() }),
    say,
  );
  const ids = here.map((model) => model.split("@")[0] ?? "");
  const doors: ScoreDoors = { cache, seed, versions: await versionsOf(here), say };
  const kodak = await readSet("kodak24", 2);
  const many = spread(kodak, Number(values.pictures));
  const few = spread(many, Number(values.beside));
  const fewest = spread(few, Number(values.slow));
  const truthsOf = (method: Method, severity: SeverityName): readonly Truth[] => {
    if (SLOW.has(method.id)) return fewest;
    return severity === "medium" && CORE.has(method.id) ? many : few;
  };
  const portrait = await readPortrait();

  const builtIn = CATALOGUE.filter(isBuiltIn).map(({ id }) => id);
  const alone = ofTasks([...ids, ...builtIn], ["upscale", "denoise", "dejpeg"]).map(aloneMethod);
  const cases: Case[] = severities.flatMap((severity) => {
    const isMedium = severity === "medium";
    const methods: readonly Method[] = [...PLAIN, ...PRESETS, ...(isMedium ? alone : []), ...ABLATIONS];
    return methods.flatMap((method) =>
      truthsOf(method, severity).map((truth) => ({ method, severity, truth })),
    );
  });
  const shown = severities.map((severity) =>
    [PLAIN[0]!, PRESETS[0]!, PRESETS[1]!].map((method): Case => ({ method, severity, truth: portrait })),
  );
  const all = await scoreCases([...cases, ...shown.flat()], doors);
  const scores = all.filter(({ picture }) => picture !== portrait.name);
  const enlargement = await enlargementTask(ids, doors);
  const denoising = await denoisingTask(many, ids, doors);

  await writeFile(
    join(DOCS, "quality.md"),
    qualityPage({
      scores,
      enlargement: enlargement.rows,
      denoising: denoising.rows,
      seed,
      command: `npm run bench:quality -- --pictures ${values.pictures} --beside ${values.beside} --slow ${values.slow}`,
    }),
  );
  await writeFile(join(DOCS, "quality-severity.svg"), qualityPlot(scores));
  await writeSheets({ shown, doors, few: few.slice(0, 4), portrait });
  finish(figuresOf(scores, enlargement.figures, denoising.figures));
}

/** Results depend on the programs, the measures and the models. */
async function versionsOf(models: readonly string[]): Promise<ScoreDoors["versions"]> {
  const version = async (kind: keyof typeof PROGRAMS): Promise<string> =>
    resultKey([await codeDigest([...PROGRAMS[kind], MEASURE]), ...(kind === "nothing" ? [] : models)]);
  return {
    nothing: await version("nothing"),
    models: await version("models"),
    stack: await version("stack"),
  };
}

/** The portrait for the page; Kodak pictures, which stay out of the project, beside the cache. */
async function writeSheets(of: {
  shown: readonly (readonly Case[])[];
  portrait: Truth;
  few: readonly Truth[];
  doors: ScoreDoors;
}): Promise<void> {
  const { shown, portrait, few, doors } = of;
  const rowOf = async (cases: readonly Case[], truth: Truth): Promise<MemoryPicture[]> => [
    ...(await Promise.all(cases.map((each) => pictureOf(each, doors)))),
    truth.picture,
  ];
  const own = await Promise.all(shown.map((cases) => rowOf(cases, portrait)));
  await writeFile(join(DOCS, "quality-sheet.jpg"), await contactSheet(own));
  const kodak = await Promise.all(
    few.flatMap((truth) =>
      shown.map((cases) =>
        rowOf(
          cases.map((each) => ({ ...each, truth })),
          truth,
        ),
      ),
    ),
  );
  const path = join(values.cache, "sheet.jpg");
  await writeFile(path, await contactSheet(kodak));
  say(`before, faithful, balanced and truth of ${few.length} Kodak pictures: ${path}`);
}

/** The best of the enlargers that the faithful preset may choose from, by Set5. */
function bestFaithful(figures: ReadonlyMap<string, number>): string {
  const candidates = [...figures.keys()].flatMap((key) => {
    const [set, id = ""] = key.split("/");
    return set === "set5" && findModel(id)?.generative === false ? [id] : [];
  });
  return (
    candidates.toSorted((a, b) => (figures.get(`set5/${b}`) ?? 0) - (figures.get(`set5/${a}`) ?? 0))[0] ??
    "bicubic"
  );
}

function figuresOf(
  scores: readonly Score[],
  enlargement: ReadonlyMap<string, number>,
  denoising: ReadonlyMap<string, number>,
): Record<string, number | string | undefined> {
  const faithful = pick(scores, "faithful", "medium");
  const enlarger = bestFaithful(enlargement);
  return {
    gain_db_medium: gainOf(scores, "faithful", "medium"),
    psnr_medium: mean(faithful, ({ psnr }) => psnr),
    n_medium: faithful.length,
    gain_db_medium_npm: gainOf(scores, "npm faithful", "medium"),
    set5_y_psnr: enlargement.get(`set5/${enlarger}`),
    set14_y_psnr: enlargement.get(`set14/${enlarger}`),
    enlarger,
    set5_y_psnr_bicubic: enlargement.get("set5/bicubic"),
    set14_y_psnr_bicubic: enlargement.get("set14/bicubic"),
    kodak24_sigma25_ffdnet: denoising.get("ffdnet-color"),
    kodak24_sigma25_dncnn: denoising.get("dncnn-color-blind"),
  };
}

/** The last line. What was not measured is null. */
function finish(figures: Record<string, number | string | undefined>): void {
  const rounded = Object.entries(figures).map(([key, value]) => [
    key,
    typeof value === "number" ? Math.round(value * 100) / 100 : (value ?? null),
  ]);
  say(JSON.stringify(Object.fromEntries(rounded)));
}
