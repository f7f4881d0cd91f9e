import { CATALOGUE, isBuiltIn } from "#shared/domain/catalogue.ts";
import type { LicenceClass, ModelEntry, ModelTask } from "#shared/domain/model.ts";
import { howToGet } from "./model-faults.ts";
import type { ModelHere } from "./model-store.ts";

/** One line of `models list`; also its JSON form. */
export type ModelRow = {
  readonly id: string;
  readonly task: ModelTask;
  readonly licence: LicenceClass;
  readonly licenceName: string;
  /** Absent where nobody has said. */
  readonly bytes?: number;
  readonly state: "prepared" | "here" | "missing" | "built in";
  readonly title: string;
  /** The command that brings it here; empty when it is here or built in. */
  readonly get: string;
};

/** Every model of the catalogue, with what is here of it. */
export function modelRows(here: readonly ModelHere[]): ModelRow[] {
  const byId = new Map(here.map((model) => [model.id, model]));
  return CATALOGUE.map((entry) => modelRow(entry, byId.get(entry.id)));
}

function modelRow(entry: ModelEntry, here: ModelHere | undefined): ModelRow {
  const bytes = here?.bytes ?? entry.bytes;
  return {
    id: entry.id,
    task: entry.task,
    licence: entry.licence.class,
    licenceName: entry.licence.name,
    ...(bytes === undefined ? {} : { bytes }),
    state: stateOf(entry, here),
    title: entry.title,
    get: here === undefined ? howToGet(entry) : "",
  };
}

function stateOf(entry: ModelEntry, here: ModelHere | undefined): ModelRow["state"] {
  if (isBuiltIn(entry)) return "built in";
  if (here === undefined) return "missing";
  return here.prepared ? "prepared" : "here";
}

/** The rows as text, columns aligned. */
export function formatRows(rows: readonly ModelRow[]): string {
  const head = ["MODEL", "TASK", "LICENCE", "SIZE", "STATE", "HOW TO GET IT"];
  const cells = rows.map((row) => [
    row.id,
    row.task,
    row.licence,
    row.state === "built in" ? "-" : formatBytes(row.bytes),
    row.state,
    row.get,
  ]);
  const table = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  return table
    .map((line) =>
      line
        .map((cell, column) => pad(cell, column, widths))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const SIZE_COLUMN = 3;

function pad(cell: string, column: number, widths: readonly number[]): string {
  const width = widths[column] ?? 0;
  return column === SIZE_COLUMN ? cell.padStart(width) : cell.padEnd(width);
}

/** Megabytes of 10^6, as download pages count them. */
export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return "?";
  if (bytes < 100_000) return `${Math.ceil(bytes / 1_000)} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0)} MB`;
}
