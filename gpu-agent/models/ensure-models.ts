import { CATALOGUE, DEFAULT_MODELS, modelsFor } from "#shared/domain/catalogue.ts";
import { ModelTask } from "#shared/domain/model.ts";
import type { ModelId } from "#shared/domain/model.ts";
import { knownModel } from "./model-faults.ts";
import type { ModelHere, ModelStore } from "./model-store.ts";

export type EnsureOptions = {
  /** One line for a person: what is being done. Not called when there is nothing to do. */
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
};

/**
 * Makes a store usable on first use, without a network: converts the models that come with the npm packages, takes over
 * known files of the store's extra folders, and prepares the ones that a restoration will choose. A second call finds all
 * of it done and returns within milliseconds.
 *
 * Throws what installing and preparing a default model throw.
 */
export async function ensureModels(store: ModelStore, { log, signal }: EnsureOptions): Promise<void> {
  const before = new Set((await store.available()).map(({ id }) => id));
  for (const id of DEFAULT_MODELS.filter((name) => !before.has(name))) {
    signal?.throwIfAborted();
    log(`converting ${knownModel(id).title}`);
    await store.install(id, signal === undefined ? {} : { signal });
  }
  for (const folder of store.extraDirs) {
    signal?.throwIfAborted();
    const { imported, skipped } = await store.importFolder(folder);
    if (imported.length > 0) log(`took over ${imported.length} models from ${folder}`);
    for (const { fileName, why } of skipped) log(`left out ${fileName}: ${why}`);
  }
  const here = await store.available();
  for (const id of worthPreparing(here)) {
    signal?.throwIfAborted();
    log(`preparing ${knownModel(id).title}`);
    await store.prepare(id, signal);
  }
}

/** Of what is here and unprepared: the defaults, and per task the first that a balanced restoration would choose. */
function worthPreparing(here: readonly ModelHere[]): ModelId[] {
  const present = new Map(here.map((model) => [model.id, model]));
  const firsts = ModelTask.options.map((task) =>
    modelsFor(task, { preset: "balanced", scale: 2 }).find((id) => present.has(id)),
  );
  const wanted = new Set([...DEFAULT_MODELS, ...firsts]);
  return CATALOGUE.map(({ id }) => id).filter((id) => wanted.has(id) && present.get(id)?.prepared === false);
}
