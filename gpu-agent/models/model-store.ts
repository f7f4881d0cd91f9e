import { basename, join, resolve } from "node:path";
import { CATALOGUE } from "#shared/domain/catalogue.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { ModelEntry, ModelId } from "#shared/domain/model.ts";
import { openModelArrival } from "./model-arrival.ts";
import type { ArrivalOptions } from "./model-arrival.ts";
import { knownModel, missingModel } from "./model-faults.ts";
import { isUnusable, openModelFiles } from "./model-files.ts";
import { findImportable } from "./model-import.ts";
import { openModelTrust } from "./model-trust.ts";
import { noteUse } from "./model-use.ts";
import { prepareModel } from "./prepare-model.ts";

/** A model whose file lies in the store. `prepared`: for this runtime and processor. */
export type ModelHere = {
  readonly id: ModelId;
  readonly sha256: string;
  readonly bytes: number;
  readonly prepared: boolean;
};

/** Where to load a model from: `prepared` if there is one (optimisation off), else `path`. Both are absolute. */
type LocatedModel = {
  readonly entry: ModelEntry;
  readonly sha256: string;
  readonly path: string;
  readonly prepared?: string;
};

type ImportReport = {
  readonly imported: ModelId[];
  /** Recognised, but not fit: with the sentence that says why. */
  readonly skipped: { readonly fileName: string; readonly why: string }[];
};

/**
 * The models on this machine, in one folder:
 *
 *   files/<sha256>.onnx                           as fetched, imported or converted
 *   prepared/<sha256>-ort<version>-<processor>/   what the runtime loads: m.onnx, m.bin, manifest.json
 *   trusted/<id>.json                             first digests of models nobody published one for
 *   arriving/                                     unfinished files
 *   used/<sha256>                                 empty; its time is that of the last use (disk-budget.ts)
 *
 * A file's name is its digest, so there is no index to disagree with. Several processes may use one folder: everything
 * is renamed into place whole. Nothing is handed out for loading before this process verified its digest.
 */
export interface ModelStore {
  readonly dir: string;
  readonly extraDirs: readonly string[];
  /** The models here, in the catalogue's order. Looks at sizes and times only. */
  available(): Promise<ModelHere[]>;
  /**
   * Notes that it is used. Throws Faults: `model_unknown`, `model_missing` (its message says how to get it),
   * `model_corrupt` (its bytes changed: it must not be loaded).
   */
  locate(id: ModelId): Promise<LocatedModel>;
  /** Imports, converts or fetches a model that is not here or no longer sound. Throws what those throw. */
  install(id: ModelId, options?: ArrivalOptions): Promise<void>;
  /**
   * Takes over the models that are recognised in a folder by their digest; with `byName`, also those that nobody
   * published a digest for, by file name (a person vouches for them). Links and subfolders are not followed.
   * Throws Fault `folder_unreadable`.
   */
  importFolder(folder: string, options?: { readonly byName: boolean }): Promise<ImportReport>;
  /** Makes the prepared form if it is not there and sound; returns the graph's path. Throws what prepare-model.ts throws. */
  prepare(id: ModelId, signal?: AbortSignal): Promise<string>;
  /** Reads everything of a model again. Throws Faults `model_missing`, `model_corrupt`. */
  verify(id: ModelId): Promise<ModelHere>;
}

export function openModelStore(options: {
  readonly dir: string;
  readonly extraDirs?: readonly string[];
}): ModelStore {
  const dir = resolve(options.dir);
  const extraDirs = (options.extraDirs ?? []).map((folder) => resolve(folder));
  const trust = openModelTrust(join(dir, "trusted"));
  const files = openModelFiles(dir, trust);
  const arrival = openModelArrival(join(dir, "arriving"), { files, trust });

  const describe = async (entry: ModelEntry): Promise<ModelHere | undefined> => {
    try {
      const file = await files.find(entry);
      if (file === undefined) return undefined;
      const { sha256, bytes } = file;
      return { id: entry.id, sha256, bytes, prepared: await files.isPrepared(sha256) };
    } catch (error) {
      if (isUnusable(error)) return undefined;
      throw error;
    }
  };

  const available = async (): Promise<ModelHere[]> => {
    const all = await Promise.all(CATALOGUE.map(describe));
    return all.filter((model) => model !== undefined);
  };

  const isSound = async (entry: ModelEntry): Promise<boolean> => {
    try {
      await files.verify(entry);
      return true;
    } catch (error) {
      if (isUnusable(error)) return false;
      throw error;
    }
  };

  return {
    dir,
    extraDirs,
    available,

    async locate(id) {
      const entry = knownModel(id);
      const file = await files.find(entry);
      if (file === undefined) throw missingModel(entry);
      const { sha256, path } = file;
      const prepared = await files.verifyPrepared(entry, sha256);
      // Only where nothing is prepared is the file itself loaded, and must be read first.
      if (prepared === undefined) await files.verify(entry);
      await noteUse(dir, sha256);
      if (prepared !== undefined) return { entry, sha256, path, prepared };
      return { entry, sha256, path };
    },

    async install(id, arrivalOptions = {}) {
      const entry = knownModel(id);
      if (await isSound(entry)) return;
      const [found] = await findImportable(extraDirs, { wanted: [entry], byName: false });
      if (found !== undefined) return arrival.copyIn(found);
      if (entry.source.kind === "npm") return arrival.convertIn(entry, entry.source);
      if (entry.source.kind === "url") return arrival.fetchIn(entry, entry.source.url, arrivalOptions);
      throw missingModel(entry);
    },

    async importFolder(folder, { byName } = { byName: false }) {
      const here = new Set((await available()).map(({ id }) => id));
      const wanted = CATALOGUE.filter(({ id }) => !here.has(id));
      const report: ImportReport = { imported: [], skipped: [] };
      for (const found of await findImportable([resolve(folder)], { wanted, byName })) {
        try {
          await arrival.copyIn(found);
          report.imported.push(found.entry.id);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          report.skipped.push({ fileName: basename(found.path), why: error.message });
        }
      }
      return report;
    },

    async prepare(id, signal) {
      const entry = knownModel(id);
      // Read again before each preparing: what goes in is what the catalogue knows.
      const { sha256, path } = await files.verify(entry, { again: true });
      const name = files.preparedName(sha256);
      return prepareModel({ id, source: path, sha256, root: files.preparedRoot, name }, signal);
    },

    async verify(id) {
      const entry = knownModel(id);
      const { sha256, bytes } = await files.verify(entry, { again: true });
      const prepared = await files.verifyPrepared(entry, sha256, { again: true });
      return { id, sha256, bytes, prepared: prepared !== undefined };
    },
  };
}
