import { mkdtemp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesOf, type CorpusClass, type CorpusFile } from "./corpus-class.ts";
import { leaksOf } from "./output-check.ts";
import type { Seeds } from "./seeds.ts";
import { createQuarantine, type DecodedPhotograph, type Quarantine } from "#functions/intake/decode.ts";
import { IntakeMeasures } from "#shared/domain/analysis.ts";
import { Fault } from "#shared/domain/fault.ts";
import { INTAKE_TRIES_MAX } from "#shared/domain/limits.ts";

/** What became of the files of one class. */
export interface ClassTally {
  readonly name: string;
  files: number;
  decoded: number;
  /** How many were refused, by the code of the fault. */
  readonly refused: Map<string, number>;
  slowestMs: number;
  /** Files that took longer than a reader may. */
  readonly hangs: string[];
  /** Files that ended in anything but measures or a fault for the user. */
  readonly untyped: string[];
  /** Files with which nothing was wrong, refused. */
  readonly unread: string[];
  /** Files of which something came out that must not. */
  readonly leaks: string[];
}

export interface CorpusRun {
  readonly classes: readonly CorpusClass[];
  readonly seeds: Seeds;
  /** Of everything that is left to chance. */
  readonly seed: number;
  /** Spread evenly over the classes; all of them by default. */
  readonly files?: number;
  /** Told after every file. */
  readonly done?: (name: string) => void;
}

/** Nothing may take longer, whatever it is. A file that does is tried again when the machine has nothing else to do. */
const hangMs = 10_000;

/** As many as the quarantine lets in at once: nobody waits at its door. */
const atOnce = 2;

/** Sends the files through the quarantine as it is in production, with its limits. */
export async function runCorpus(run: CorpusRun): Promise<ClassTally[]> {
  const { classes, seeds, seed, files, done } = run;
  const folder = await mkdtemp(join(tmpdir(), "corpus-"));
  await using quarantine = createQuarantine({ spare: atOnce });
  const tallies = classes.map(({ name }) => emptyTally(name));
  const queue = classes.flatMap((corpusClass, index): Trial[] => {
    const share = files === undefined ? corpusClass.count : shareOf(files, classes.length, index);
    const tally = tallies[index]!;
    return filesOf(corpusClass, { seeds, seed, count: share }).map((file) => ({ corpusClass, tally, file }));
  });
  const waiting = queue.values();
  const slow: Trial[] = [];
  const work = async (): Promise<void> => {
    for (const trial of waiting) {
      const ms = await tryFile(trial, { quarantine, folder });
      if (ms > hangMs) slow.push(trial);
      trial.tally.files += 1;
      done?.(trial.tally.name);
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, work));
    for (const trial of slow) {
      const ms = await tryFile({ ...trial, tally: emptyTally("again") }, { quarantine, folder });
      if (ms > hangMs) trial.tally.hangs.push(`${nameOf(trial)}: ${Math.round(ms)} ms`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return tallies;
}

/** One file that is tried, and where it is counted. */
interface Trial {
  readonly corpusClass: CorpusClass;
  readonly tally: ClassTally;
  readonly file: CorpusFile;
}

/** Each class has the same share, the first ones what is left over. */
function shareOf(files: number, classes: number, index: number): number {
  return Math.floor(files / classes) + (index < files % classes ? 1 : 0);
}

function nameOf({ corpusClass, file }: Trial): string {
  return `${corpusClass.name} ${file.index}`;
}

/** @returns how long the decision took, ms. */
async function tryFile(
  trial: Trial,
  { quarantine, folder }: { quarantine: Quarantine; folder: string },
): Promise<number> {
  const { tally, file, corpusClass } = trial;
  const name = nameOf(trial);
  const place = join(folder, name.replace(" ", "-"));
  const outDir = join(place, "out");
  await mkdir(outDir, { recursive: true });
  const path = join(place, "upload");
  await writeFile(path, await file.make());
  const start = performance.now();
  try {
    const decoded = await decodePatiently(quarantine, { path, outDir });
    tally.decoded += 1;
    const isComplete = IntakeMeasures.safeParse(decoded.measures).success;
    if (!isComplete) tally.untyped.push(`${name}: measures that are none`);
    tally.leaks.push(...(await leaksOf(decoded)).map((leak) => `${name}: ${leak}`));
  } catch (error) {
    judge(error, { name, tally, isSound: corpusClass.isSound === true });
    const left = await readdir(outDir);
    if (left.length > 0) tally.untyped.push(`${name}: left ${left.join()}`);
  }
  const ms = performance.now() - start;
  tally.slowestMs = Math.max(tally.slowestMs, ms);
  await rm(place, { recursive: true, force: true });
  return ms;
}

/** As a job does it: what is nobody's fault, such as a decoder that a busy machine did not start, is tried again. */
async function decodePatiently(
  quarantine: Quarantine,
  ask: { path: string; outDir: string },
): Promise<DecodedPhotograph> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await quarantine.decode({ ...ask, keepsCredits: true });
    } catch (error) {
      if (!(error instanceof Fault && error.retryable) || tries === INTAKE_TRIES_MAX) throw error;
    }
  }
}

function judge(
  error: unknown,
  { name, tally, isSound }: { name: string; tally: ClassTally; isSound: boolean },
): void {
  if (!(error instanceof Fault && error.kind === "input")) {
    tally.untyped.push(`${name}: ${String(error)}`);
    return;
  }
  tally.refused.set(error.code, (tally.refused.get(error.code) ?? 0) + 1);
  if (isSound) tally.unread.push(`${name}: ${error.code} ${JSON.stringify(error.details)}`);
}

function emptyTally(name: string): ClassTally {
  return {
    name,
    files: 0,
    decoded: 0,
    refused: new Map(),
    slowestMs: 0,
    hangs: [],
    untyped: [],
    unread: [],
    leaks: [],
  };
}
