import { lstat, readdir } from "node:fs/promises";
import { join, posix } from "node:path";
import { Fault } from "#shared/domain/fault.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { sha256File } from "./file-digest.ts";

/** Of one folder; subfolders are not entered. */
const FILES_MAX = 10_000;

/** A file that is taken for a model of the catalogue. */
export type Importable = { readonly entry: ModelEntry; readonly path: string };

/**
 * Finds the wanted models in folders, each once. A file is read only if its size could be one of theirs, so that looking
 * through a folder again after everything was taken over costs nothing.
 *
 * Throws Fault `folder_unreadable`.
 */
export async function findImportable(
  folders: readonly string[],
  { wanted, byName }: { wanted: readonly ModelEntry[]; byName: boolean },
): Promise<Importable[]> {
  const open = new Set(wanted);
  const found: Importable[] = [];
  const take = (entry: ModelEntry, path: string): void => {
    open.delete(entry);
    found.push({ entry, path });
  };
  for (const folder of folders) {
    for (const fileName of await modelFiles(folder)) {
      const path = join(folder, fileName);
      const stats = await lstat(path);
      // Links are not followed: the folder may be anybody's.
      if (!stats.isFile()) continue;
      const bySize = [...open].filter(({ sha256, bytes }) => sha256 !== undefined && bytes === stats.size);
      const digest = bySize.length === 0 ? undefined : await sha256File(path);
      const entry =
        bySize.find(({ sha256 }) => sha256 === digest) ??
        (byName ? [...open].find((candidate) => isNamed(candidate, fileName)) : undefined);
      if (entry !== undefined) take(entry, path);
    }
  }
  return found;
}

/** The name under which the publisher of a model without a digest offers it. */
function isNamed({ sha256, source }: ModelEntry, fileName: string): boolean {
  if (sha256 !== undefined || source.kind === "npm" || source.kind === "built-in") return false;
  return (
    fileName === (source.kind === "file" ? source.fileName : posix.basename(new URL(source.url).pathname))
  );
}

async function modelFiles(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names
      .filter((name) => name.endsWith(".onnx"))
      .toSorted()
      .slice(0, FILES_MAX);
  } catch (cause) {
    throw new Fault("input", "folder_unreadable", `The folder ${folder} cannot be read. Check its path.`, {
      cause,
    });
  }
}
