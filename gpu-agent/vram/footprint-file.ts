import { randomUUID } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { Sha256 } from "#shared/domain/model.ts";
import { fileState, moveIntoPlace } from "../models/file-digest.ts";
import { Footprint, NO_FOOTPRINT, withSample, type FootprintSample } from "./footprint.ts";

/** What the models of one device were measured to take, by the digest of their files; survives restarts. */
export interface Footprints extends AsyncDisposable {
  of(digest: string): Footprint;
  /** Counts from now on; written to the file soon after. */
  note(digest: string, sample: FootprintSample): void;
  /** Resolves when all that was noted so far has been written, or could not be. */
  saved(): Promise<void>;
}

const FILE_BYTES_MAX = 4 * 2 ** 20;
const MODELS_MAX = 512;
const Contents = z.object({ version: z.literal(1), models: z.record(z.string(), z.unknown()) });

/**
 * @param ask.path one file for each device: a model takes another amount on another one.
 * @param ask.onProblem told of a file, or entries of it, that cannot be used, and of one that cannot be written. Neither
 * stops anything: what is not known is measured again.
 */
export async function openFootprints(ask: {
  readonly path: string;
  onProblem(problem: string): void;
}): Promise<Footprints> {
  const { path, onProblem } = ask;
  /** The latest to be changed last. */
  const models = new Map(await readFootprints(path, onProblem));
  let isDirty = false;
  let saving: Promise<void> | undefined;

  /** One at a time; whatever is noted meanwhile is written right after. */
  async function save(): Promise<void> {
    while (isDirty) {
      isDirty = false;
      const temporary = `${path}.${randomUUID()}`;
      try {
        await mkdir(dirname(path), { recursive: true });
        const contents = { version: 1, models: Object.fromEntries(models) };
        await writeFile(temporary, JSON.stringify(contents), { flag: "wx" });
        await moveIntoPlace(temporary, path);
      } catch (error) {
        onProblem(`not written: ${String(error)}`);
        await rm(temporary, { force: true }).catch(() => undefined);
      }
    }
    saving = undefined;
  }

  const saved = (): Promise<void> => saving ?? Promise.resolve();
  return {
    of: (digest) => models.get(digest) ?? NO_FOOTPRINT,
    note(digest, sample) {
      const footprint = withSample(models.get(digest) ?? NO_FOOTPRINT, sample);
      models.delete(digest);
      models.set(digest, footprint);
      for (const oldest of models.keys()) {
        if (models.size <= MODELS_MAX) break;
        models.delete(oldest);
      }
      isDirty = true;
      saving ??= save();
    },
    saved,
    [Symbol.asyncDispose]: saved,
  };
}

/** What of the file can be trusted. Anybody may have written it, or a power cut have ended it early. */
async function readFootprints(
  path: string,
  onProblem: (problem: string) => void,
): Promise<[string, Footprint][]> {
  try {
    const state = await fileState(path);
    if (state.kind === "absent") return [];
    if (state.kind === "odd") throw new Error(state.why);
    if (state.stats.size > FILE_BYTES_MAX) throw new Error("it is too large");
    const { models } = Contents.parse(JSON.parse(await readFile(path, "utf8")));
    const good: [string, Footprint][] = [];
    for (const [digest, value] of Object.entries(models).slice(-MODELS_MAX)) {
      const footprint = Footprint.safeParse(value);
      if (footprint.success && Sha256.safeParse(digest).success) good.push([digest, footprint.data]);
      else onProblem(`an entry is damaged: ${digest.slice(0, 64)}`);
    }
    return good;
  } catch (error) {
    onProblem(`not read: ${String(error)}`);
    return [];
  }
}
