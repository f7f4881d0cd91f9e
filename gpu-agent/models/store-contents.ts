import { lstat, readdir } from "node:fs/promises";
import type { Stats } from "node:fs";
import { basename, join } from "node:path";
import { CATALOGUE } from "#shared/domain/catalogue.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { lastNotedMs } from "./model-use.ts";

/** One thing that takes room in a store: a model's file, or a prepared form (a folder). */
export interface StoredItem {
  readonly kind: "source" | "prepared";
  readonly path: string;
  /** Of the model's file; absent where the name is none that a store gives. */
  readonly sha256?: string;
  /** The catalogue's entry of that published digest. */
  readonly entry?: ModelEntry;
  readonly bytes: number;
  /** The later of its arrival and its last noted use; milliseconds since 1970. */
  readonly usedMs: number;
}

/** Per folder; a store holds a few hundred. */
const NAMES_MAX = 10_000;
/** Of a prepared form: it has three files. */
const PARTS_MAX = 100;

/** What lies in a store's `files` and `prepared` folders. What is gone before it was looked at is left out. */
export async function storeContents(dir: string): Promise<StoredItem[]> {
  const [sources, forms] = await Promise.all([contentsOf(dir, "source"), contentsOf(dir, "prepared")]);
  return [...sources, ...forms];
}

/** The same item as it is now; undefined where it is gone. */
export async function lookAgain(dir: string, { kind, path }: StoredItem): Promise<StoredItem | undefined> {
  return describeItem(dir, { kind, name: basename(path) });
}

const FOLDERS = { source: "files", prepared: "prepared" } as const;
const NAMES = { source: /^([0-9a-f]{64})\.onnx$/, prepared: /^([0-9a-f]{64})-ort/ } as const;

async function contentsOf(dir: string, kind: StoredItem["kind"]): Promise<StoredItem[]> {
  const items: StoredItem[] = [];
  for (const name of await namesIn(join(dir, FOLDERS[kind]), NAMES_MAX)) {
    const item = await describeItem(dir, { kind, name });
    if (item !== undefined) items.push(item);
  }
  return items;
}

async function describeItem(
  dir: string,
  { kind, name }: { kind: StoredItem["kind"]; name: string },
): Promise<StoredItem | undefined> {
  const path = join(dir, FOLDERS[kind], name);
  const stats = await statsOf(path);
  if (stats === undefined) return undefined;
  const bytes = stats.isDirectory() ? await bytesIn(path) : stats.size;
  const isOwn = kind === "source" ? stats.isFile() : stats.isDirectory();
  const sha256 = isOwn ? NAMES[kind].exec(name)?.[1] : undefined;
  if (sha256 === undefined) return { kind, path, bytes, usedMs: stats.mtimeMs };
  const entry = CATALOGUE.find((model) => model.sha256 === sha256);
  // A form's folder has a time of its own; the note counts for the file it was made from.
  const noted = kind === "source" ? await lastNotedMs(dir, sha256) : 0;
  return {
    kind,
    path,
    sha256,
    ...(entry === undefined ? {} : { entry }),
    bytes,
    usedMs: Math.max(stats.mtimeMs, noted),
  };
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await namesIn(folder, PARTS_MAX))
    bytes += (await statsOf(join(folder, name)))?.size ?? 0;
  return bytes;
}

async function namesIn(folder: string, max: number): Promise<string[]> {
  return orAbsent(async () => (await readdir(folder)).toSorted().slice(0, max), []);
}

async function statsOf(path: string): Promise<Stats | undefined> {
  return orAbsent(() => lstat(path), undefined);
}

async function orAbsent<T, E>(look: () => Promise<T>, instead: E): Promise<T | E> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return instead;
    throw error;
  }
}
