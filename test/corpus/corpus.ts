/**
 * `npm run corpus`: sends hostile files through the quarantine and counts what becomes of them. Writes docs/corpus.md
 * when a thousand of them or more were tried. Keys of the last line: files, classes, deaths, hangs, untyped, gps_out, peak_mb. Linux only.
 */
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { corpusClasses } from "./corpus-classes.ts";
import { corpusPage, corpusTable, type CorpusFigures } from "./corpus-page.ts";
import { runCorpus, type ClassTally } from "./corpus-run.ts";
import { makeSeeds } from "./seeds.ts";
import { startMemorySampler } from "../bench/memory-sampler.ts";

const usage = `npm run corpus -- [--files N] [--seed S] [--class NAME]
  --files N     so many files, evenly over the classes (all of them by default)
  --seed S      of everything that is left to chance (1 by default)
  --class NAME  only the classes whose name contains this`;

/** Fewer files are no record. */
const PAGE_FILES_MIN = 1_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { values } = parseArgs({
  options: {
    files: { type: "string" },
    seed: { type: "string", default: "1" },
    class: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) say(usage);
else
  await main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });

async function main(): Promise<void> {
  const wanted = values.class;
  const classes = corpusClasses.filter(({ name }) => wanted === undefined || name.includes(wanted));
  let deaths = 0;
  const died = (error: unknown): void => {
    deaths += 1;
    process.stderr.write(`outside of the quarantine: ${String(error)}\n`);
  };
  process.on("uncaughtException", died);
  process.on("unhandledRejection", died);

  using sampler = startMemorySampler(process.pid);
  const files = values.files === undefined ? {} : { files: Number(values.files) };
  const total = values.files ?? classes.reduce((sum, { count }) => sum + count, 0);
  let count = 0;
  const start = performance.now();
  const tallies = await runCorpus({
    classes,
    seeds: await makeSeeds(),
    seed: Number(values.seed),
    ...files,
    done(name) {
      count += 1;
      if (process.stdout.isTTY) process.stdout.write(`\r${count} / ${total}  ${name.padEnd(30)}`);
    },
  });
  if (process.stdout.isTTY) say("");
  const peak = sampler.takePeak().own;
  const sum = (of: (tally: ClassTally) => number): number =>
    tallies.reduce((all, tally) => all + of(tally), 0);
  const figures: CorpusFigures = {
    files: sum((tally) => tally.files),
    classes: classes.length,
    deaths,
    hangs: sum(({ hangs }) => hangs.length),
    untyped: sum(({ untyped }) => untyped.length),
    gps_out: sum(({ leaks }) => leaks.length),
    peak_mb: Math.round(peak / 2 ** 20),
  };
  say(corpusTable(tallies));
  for (const { hangs, untyped, unread, leaks } of tallies)
    for (const line of [...hangs, ...untyped, ...unread, ...leaks]) say(line);
  if (wanted === undefined && figures.files >= PAGE_FILES_MIN) {
    const page = corpusPage(tallies, {
      figures,
      command: `npm run corpus -- ${process.argv.slice(2).join(" ")}`.replace(/ -- $/, ""),
      machine: `${cpus().length} cores`,
      minutes: (performance.now() - start) / 60_000,
    });
    await writeFile(new URL("../../docs/corpus.md", import.meta.url), page);
  }
  say(JSON.stringify(figures));
}
