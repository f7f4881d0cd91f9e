import { glob, readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";

/** A photograph named on the command line, or the sentence that says why there is none. */
export type Input = { readonly path: string } | { readonly path: string; readonly problem: string };

const PHOTOGRAPHS = new Set([
  ".jpg",
  ".jpeg",
  ".png",
  ".webp",
  ".tif",
  ".tiff",
  ".gif",
  ".avif",
  ".heic",
  ".heif",
]);
/** What this command itself writes beside a photograph. */
const OWN_OUTPUT = /\.(restored(-\d+)?\.(png|jpe?g|webp|tiff?)|before-after(-\d+)?\.jpg)$/i;
const INPUTS_MAX = 100_000;

/**
 * Expands files, folders (the photographs in them, not deeper) and globs, each photograph once, in a stable order.
 * A name that matches nothing is kept with its problem, so that the others go on.
 */
export async function expandInputs(names: readonly string[], cwd: string): Promise<Input[]> {
  const found = new Map<string, Input>();
  const add = (input: Input): void => {
    if (found.size < INPUTS_MAX && !found.has(input.path)) found.set(input.path, input);
  };
  for (const name of names) for (const input of await expand(name, cwd)) add(input);
  return [...found.values()];
}

async function expand(name: string, cwd: string): Promise<Input[]> {
  const path = resolve(cwd, name);
  const kind = await stat(path).then(
    (found) => (found.isDirectory() ? "folder" : found.isFile() ? "file" : "other"),
    (error: NodeJS.ErrnoException) => error.code ?? "unknown",
  );
  if (kind === "file") return [{ path }];
  if (kind === "folder") return expandFolder(path);
  if (kind === "other") return [{ path, problem: "is neither a file nor a folder." }];
  if (kind === "EACCES" || kind === "EPERM")
    return [{ path, problem: "may not be read; check its permissions." }];
  if (/[*?[{]/.test(name)) return expandGlob(name, cwd);
  return [{ path, problem: "does not exist; check the name." }];
}

async function expandFolder(path: string): Promise<Input[]> {
  try {
    const names = (await readdir(path)).filter(isPhotograph).sort();
    if (names.length === 0)
      return [{ path, problem: "holds no photograph (jpg, png, webp, tiff, gif, avif, heic)." }];
    return names.map((name) => ({ path: join(path, name) }));
  } catch (error) {
    return [
      {
        path,
        problem: `may not be read (${(error as NodeJS.ErrnoException).code ?? "unknown"}); check its permissions.`,
      },
    ];
  }
}

async function expandGlob(pattern: string, cwd: string): Promise<Input[]> {
  const paths: string[] = [];
  for await (const name of glob(pattern, { cwd })) if (isPhotograph(name)) paths.push(resolve(cwd, name));
  if (paths.length === 0) return [{ path: resolve(cwd, pattern), problem: "matches no photograph." }];
  return paths.sort().map((path) => ({ path }));
}

function isPhotograph(name: string): boolean {
  return (
    PHOTOGRAPHS.has(extname(name).toLowerCase()) && !OWN_OUTPUT.test(name) && !basename(name).startsWith(".")
  );
}

/** Where the results of one photograph go. */
export interface Targets {
  readonly image: string;
  readonly comparison: string;
  readonly report: string;
}

/** Names beside the photograph or under `outDir`; a name taken by another photograph of this run gets a number. */
export function targetsOf(ask: {
  path: string;
  outDir: string | undefined;
  extension: string;
  taken: Set<string>;
}): Targets {
  const folder = ask.outDir ?? dirname(ask.path);
  const stem = basename(ask.path, extname(ask.path));
  for (let n = 1; ; n++) {
    const tail = n === 1 ? "" : `-${n}`;
    const image = join(folder, `${stem}.restored${tail}.${ask.extension}`);
    if (ask.taken.has(image)) continue;
    ask.taken.add(image);
    return {
      image,
      comparison: join(folder, `${stem}.before-after${tail}.jpg`),
      report: join(folder, `${stem}.report${tail}.json`),
    };
  }
}
