import { createHash } from "node:crypto";
import { measure, type Measures } from "../../measures/measure.ts";
import type { MemoryPicture } from "../../measures/memory-picture.ts";
import { openTreatment, type Method } from "./methods.ts";
import { makeOld, type OldPhoto, type SeverityName } from "./old-photo.ts";
import type { Score } from "./quality-page.ts";
import { resultKey, type ResultCache } from "./result-cache.ts";
import type { Truth } from "./truths.ts";

/** One picture to be made old and treated. */
export interface Case {
  readonly method: Method;
  readonly severity: SeverityName;
  readonly truth: Truth;
}

/** What everything is measured with. */
export interface ScoreDoors {
  readonly cache: ResultCache;
  readonly seed: number;
  /** Of code and models: with another one, results are made anew. */
  readonly versions: Readonly<Record<keyof typeof PROGRAMS, string>>;
  /** Told after each case. */
  readonly say: (line: string) => void;
}

const borderPixels = 4;

/** Treats and measures all cases, those left over from earlier runs read from the cache; in the order given. */
export async function scoreCases(cases: readonly Case[], doors: ScoreDoors): Promise<Score[]> {
  const { cache, say } = doors;
  const keys = await Promise.all(cases.map((each) => keyOf(each, doors)));
  const missing = cases.filter((_, i) => !cache.has(keys[i]!));
  say(`old photographs: ${cases.length} cases, ${missing.length} of them to do`);
  let done = 0;
  for (const needs of new Set(missing.map(({ method }) => method.needs))) {
    await using treatment = await openTreatment(needs);
    for (const each of missing.filter(({ method }) => method.needs === needs)) {
      const { truth, method, severity } = each;
      const patient = { old: await oldOf(each, doors.seed), size: truth.picture };
      const { picture, chain } = await treatment.treat(method, patient);
      const value: Stored = { measures: measure(picture, truth.picture, { borderPixels }), chain };
      await cache.put(await keyOf(each, doors), { value, picture });
      done += 1;
      say(
        `${done}/${missing.length} ${truth.name} ${severity} ${method.id}: ${value.measures.psnr.toFixed(2)} dB`,
      );
    }
  }
  return await Promise.all(
    cases.map(async ({ method, severity, truth }, i) => {
      const { measures, chain } = await cache.value<Stored>(keys[i]!);
      return { method, severity, picture: truth.name, measures, chain };
    }),
  );
}

/** The result of a case that was scored. */
export async function pictureOf(of: Case, doors: ScoreDoors): Promise<MemoryPicture> {
  return await doors.cache.picture(await keyOf(of, doors));
}

interface Stored {
  readonly measures: Measures;
  readonly chain: string;
}

const digests = new WeakMap<OldPhoto, string>();
const olds = new Map<string, Promise<OldPhoto>>();

/** Made once: every method is given the same bytes. */
async function oldOf({ truth, severity }: Case, seed: number): Promise<OldPhoto> {
  const name = `${seed}/${truth.name}/${severity}`;
  const old = olds.get(name) ?? makeOld(truth.picture, { seed, name: truth.name, severity });
  olds.set(name, old);
  return await old;
}

/** The programs by which methods of a kind run: with a change in them, their results are made anew. */
export const PROGRAMS = {
  nothing: ["test/bench/quality/fitted.ts"],
  models: [
    "gpu-agent/stages/tiled-stage.ts",
    "gpu-agent/image/analysis.ts",
    "gpu-agent/worker/session.ts",
    "test/bench/quality/fitted.ts",
  ],
  stack: ["functions/intake/decoder.ts", "shared/domain/plan.ts", "gpu-agent/stages/table.ts"],
} as const;

async function keyOf(of: Case, { seed, versions }: ScoreDoors): Promise<string> {
  const old = await oldOf(of, seed);
  const digest = digests.get(old) ?? createHash("sha256").update(old.upload).digest("hex");
  digests.set(old, digest);
  const { id, needs, options } = of.method;
  const version = versions[needs === "npm stack" ? "stack" : needs];
  const treatment = [id, needs, JSON.stringify(options)];
  return resultKey([version, digest, of.truth.picture.data as Uint8Array, ...treatment]);
}
