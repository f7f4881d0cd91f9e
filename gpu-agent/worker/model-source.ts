import { allowedBy, CATALOGUE, isBuiltIn } from "#shared/domain/catalogue.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { LicenceClass, ModelEntry, ModelTask } from "#shared/domain/model.ts";
import type { Log } from "#shared/log.ts";
import { trimModels } from "../models/disk-budget.ts";
import { ensureModels } from "../models/ensure-models.ts";
import { openModelStore } from "../models/model-store.ts";
import type { WorkerAbility } from "./protocol.ts";
import type { ModelFile } from "./session.ts";

/** Where the sessions of this process load their models from. */
export interface ModelSource {
  /** Ids of the catalogue that are allowed and whose files are here, or which are built in. */
  readonly ids: readonly string[];
  readonly tasks: ReadonlySet<ModelTask>;
  /** The verified file to load, prepared for this processor first where it is not. Not for what is built in. @throws Fault. */
  locate(id: string): Promise<ModelFile>;
  /** Those that are files, by their digests. */
  readonly files: WorkerAbility["files"];
}

/**
 * Opens the store of models and brings in what can be had without a network (ensure-models.ts); the first time that
 * takes seconds. A model that cannot be had is logged and missing, no more.
 */
export async function openModelSource(ask: {
  dir: string;
  extraDirs: readonly string[];
  licences: readonly LicenceClass[];
  /** A prepared form is optimised for the processor: a GPU gets the plain file. */
  provider?: "cpu" | "cuda";
  /** What the folder may take; beyond it, what was used longest ago and can be had again goes. */
  diskBytesMax?: number;
  log: Log;
}): Promise<ModelSource> {
  const { log } = ask;
  const store = openModelStore({ dir: ask.dir, extraDirs: ask.extraDirs });
  try {
    await ensureModels(store, { log: (line) => log.info("models-ensured", { line }) });
  } catch (error) {
    // What is here still serves; the plan skips the stages for which nothing is.
    log.error("models-incomplete", { error });
  }
  if (ask.diskBytesMax !== undefined) await trim(ask.dir, { bytesMax: ask.diskBytesMax, log });
  const stored = await store.available();
  const isHere = (entry: ModelEntry): boolean => isBuiltIn(entry) || stored.some(({ id }) => id === entry.id);
  const entries = CATALOGUE.filter((entry) => isHere(entry) && allowedBy(ask.licences, entry));
  const ids = entries.map(({ id }) => id);

  async function locate(id: string): Promise<ModelFile> {
    const { entry, path, prepared } = await store.locate(id);
    if (ask.provider === "cuda") return { entry, path, isPrepared: false };
    if (prepared !== undefined) return { entry, path: prepared, isPrepared: true };
    try {
      return { entry, path: await store.prepare(id), isPrepared: true };
    } catch (error) {
      // A full disk or a busy machine: it runs from the plain file, slower to load.
      if (!(error instanceof Fault && error.retryable)) throw error;
      log.warn("model-unprepared", { id, error });
      return { entry, path, isPrepared: false };
    }
  }

  return {
    ids,
    tasks: new Set(entries.map(({ task }) => task)),
    files: stored
      .filter(({ id }) => ids.includes(id))
      .map(({ id, sha256, bytes }) => ({ model: id, sha256, bytes })),
    locate,
  };
}

/** Keeps the models' folder in its budget; what cannot go is said, and stops nothing. */
async function trim(dir: string, { bytesMax, log }: { bytesMax: number; log: Log }): Promise<void> {
  try {
    const { removed, isMet, bytesAfter } = await trimModels(dir, { bytesMax, keep: new Set() });
    if (removed.length > 0) log.info("models-trimmed", { removed, bytesAfter });
    if (!isMet) log.warn("models-over-budget", { bytesMax, bytesAfter });
  } catch (error) {
    log.warn("models-untrimmed", { error });
  }
}
