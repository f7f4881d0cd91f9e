import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { defaultModelDirs } from "#agent/models/model-dirs.ts";

/** Where things are unless told otherwise. */
export interface Places {
  readonly dataDir: string;
  readonly modelsDir: string;
  readonly extraModelDirs: readonly string[];
}

export const PROJECT_ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * @param ask as given on the command line; relative names are meant from `cwd`. `models: "none"` is the npm packages'
 *   models alone, kept apart from whatever was imported before.
 */
export function choosePlaces(ask: {
  data: string | undefined;
  models: string | undefined;
  cwd: string;
}): Places {
  const { dir, extraDirs } = defaultModelDirs();
  const dataDir = ask.data === undefined ? join(PROJECT_ROOT, ".photokeep") : resolve(ask.cwd, ask.data);
  if (ask.models === "none") return { dataDir, modelsDir: `${dir}-npm`, extraModelDirs: [] };
  return {
    dataDir,
    modelsDir: dir,
    extraModelDirs: ask.models === undefined ? extraDirs : [resolve(ask.cwd, ask.models)],
  };
}

export function chooseThreads(asked: number): number {
  return asked > 0 ? asked : availableParallelism();
}
