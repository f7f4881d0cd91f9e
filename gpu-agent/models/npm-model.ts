import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { Fault } from "#shared/domain/fault.ts";
import type { ModelEntry, ModelSource } from "#shared/domain/model.ts";
import { LOCK } from "./model-trust.ts";
import { convertGraphModel } from "./tfjs-graph.ts";
import { convertLayersModel } from "./tfjs-layers.ts";
import { readTfjsModel } from "./tfjs-weights.ts";

type NpmSource = ModelSource & { kind: "npm" };

/**
 * Converts a model of an installed npm package to ONNX. The same package gives the same bytes everywhere.
 *
 * Throws Faults: `package_missing`, `package_changed` (its files are not those of the lock file), and what the
 * converters throw.
 */
export async function convertNpmModel(entry: ModelEntry, source: NpmSource): Promise<Uint8Array> {
  const model = await readTfjsModel(join(packageFolder(source), source.path));
  const integrity = LOCK.models[entry.id]?.integrity;
  if (integrity !== undefined && integrity !== model.integrity) {
    throw new Fault(
      "conflict",
      "package_changed",
      `The files of ${source.package} are not those this version was made with. Run npm ci to restore them.`,
      { details: { expected: integrity, found: model.integrity } },
    );
  }
  return source.converter === "tfjs-layers" ? convertLayersModel(model) : convertGraphModel(model);
}

function packageFolder(source: NpmSource): string {
  try {
    const path = findPackageJSON(source.package, import.meta.url);
    if (path !== undefined) return dirname(path);
  } catch {
    // Said below.
  }
  throw new Fault(
    "missing",
    "package_missing",
    `The npm package ${source.package} is not installed. Run npm ci.`,
  );
}
