import type { Places } from "./places.ts";
import { ensureModels } from "#agent/models/ensure-models.ts";
import { openModelStore } from "#agent/models/model-store.ts";

/**
 * Makes the models of this machine usable: what comes from npm is converted once, known files of the extra folders are
 * taken over, and what a restoration will choose is prepared for its runtime. A second call is done in milliseconds.
 * @param say one line of progress for a person.
 * @returns what is here, `id@sha256` each: the same list means the same models.
 */
export async function prepareModels(
  places: Pick<Places, "modelsDir" | "extraModelDirs">,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<string[]> {
  const store = openModelStore({ dir: places.modelsDir, extraDirs: places.extraModelDirs });
  await ensureModels(store, {
    log: (line) => say(`models: ${line}`),
    ...(signal === undefined ? {} : { signal }),
  });
  return (await store.available()).map(({ id, sha256 }) => `${id}@${sha256}`).toSorted();
}
