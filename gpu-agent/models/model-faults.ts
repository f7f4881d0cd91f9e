import { findModel } from "#shared/domain/catalogue.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { ModelEntry, ModelId } from "#shared/domain/model.ts";

/** The entry of an id that somebody typed. Throws Fault `model_unknown`. */
export function knownModel(id: ModelId): ModelEntry {
  const entry = findModel(id);
  if (entry !== undefined) return entry;
  throw new Fault("missing", "model_unknown", `There is no model named ${id}. See: npm run models -- list`);
}

/** The command that brings a model here, as a person would type it; empty for what is built in. */
export function howToGet({ id, source }: ModelEntry): string {
  if (source.kind === "built-in") return "";
  if (source.kind !== "file") return `npm run models -- pull ${id}`;
  return `npm run models -- import FOLDER (with ${source.fileName})`;
}

/** For an entry that has no file here; one that is built in never has. */
export function missingModel(entry: ModelEntry): Fault {
  if (entry.source.kind === "built-in") {
    const message = `${entry.id} is built in: it has no file and is always here.`;
    return new Fault("conflict", "model_builtin", message);
  }
  const origin = entry.source.kind === "file" ? `. Its origin: ${entry.source.origin}` : "";
  return new Fault(
    "missing",
    "model_missing",
    `The model ${entry.id} is not here. Get it with: ${howToGet(entry)}${origin}`,
  );
}

/** For bytes that changed after they were taken over. `repair` is the command that helps. */
export function corruptModel(entry: ModelEntry, why: string, repair = howToGet(entry)): Fault {
  const message = `The model ${entry.id} is damaged (${why}) and will not be loaded. Repair it with: ${repair}`;
  return new Fault("conflict", "model_corrupt", message);
}
