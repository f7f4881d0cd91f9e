import { allowedBy, CATALOGUE, isBuiltIn } from "#shared/domain/catalogue.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { LicenceClass, ModelTask } from "#shared/domain/model.ts";
import type { Log } from "#shared/log.ts";
import { ensureModels } from "../models/ensure-models.ts";
import { openModelStore } from "../models/model-store.ts";
import type { ModelFile } from "./session.ts";

/** Where the sessions of this process load their models from. */
export interface ModelSource {
  /** Ids of the catalogue that are allowed and whose files are here, or which are built in. */
  readonly ids: readonly string[];
  readonly tasks: ReadonlySet<ModelTask>;
  /** The verified file to load, prepared for this processor first where it is not. Not for what is built in. @throws Fault. */
  locate(id: string): Promise<ModelFile>;
}

/**
 * Opens the store of models and brings in what can be had without a network (ensure-models.ts); the first time that
 * takes seconds. A model that cannot be had is logged and missing, no more.
 */
export async function openModelSource(ask: {
  dir: string;
  extraDirs: readonly string[];
  licences: readonly LicenceClass[];
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
  const files = new Set((await store.available()).map(({ id }) => id));
  const here = CATALOGUE.filter((entry) => isBuiltIn(entry) || files.has(entry.id));
  const entries = here.filter((entry) => allowedBy(ask.licences, entry));
  return {
    ids: entries.map(({ id }) => id),
    tasks: new Set(entries.map(({ task }) => task)),
    async locate(id) {
      const { entry, path, prepared } = await store.locate(id);
      if (prepared !== undefined) return { entry, path: prepared, isPrepared: true };
      try {
        return { entry, path: await store.prepare(id), isPrepared: true };
      } catch (error) {
        // A full disk or a busy machine: it runs from the plain file, slower to load.
        if (!(error instanceof Fault && error.retryable)) throw error;
        log.warn("model-unprepared", { id, error });
        return { entry, path, isPrepared: false };
      }
    },
  };
}
