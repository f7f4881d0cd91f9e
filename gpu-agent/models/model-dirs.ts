import { existsSync } from "node:fs";
import { resolve } from "node:path";

const PROJECT_ROOT = resolve(import.meta.dirname, "../..");

/**
 * Where models lie unless told otherwise: `.photokeep/models` in the project; a `shared/models` folder beside the
 * checkout, if there is one, is searched for known files.
 */
export function defaultModelDirs(): { dir: string; extraDirs: string[] } {
  const beside = resolve(PROJECT_ROOT, "../shared/models");
  return { dir: resolve(PROJECT_ROOT, ".photokeep/models"), extraDirs: existsSync(beside) ? [beside] : [] };
}
