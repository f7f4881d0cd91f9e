import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { forgetUse } from "./model-use.ts";
import { lookAgain, storeContents } from "./store-contents.ts";
import type { StoredItem } from "./store-contents.ts";

/** Things on their way out, under names that nobody looks for. */
const LEAVING_FOLDER = "leaving";
/** Whatever was used a moment ago may be about to be loaded by another process. */
const RECENT_MS = 10 * 60_000;

export interface TrimOptions {
  /** What `files` and `prepared` may take together. */
  readonly bytesMax: number;
  /** Digests of models of which nothing is removed. */
  readonly keep: ReadonlySet<string>;
  /** Whatever was used within so many milliseconds stays; ten minutes unless told. */
  readonly recentMs?: number;
  /** Says what would be removed, and removes nothing. */
  readonly isDryRun?: boolean;
}

/** Why something was removed, or stays although there is too much. */
type TrimReason =
  | "its model is not here"
  | "not used for longest"
  | "asked to be kept"
  | "used just now"
  | "being prepared, or not the store's"
  | "only a person can bring it again"
  | "not known by a published digest";

export interface TrimmedItem {
  readonly kind: "source" | "prepared";
  /** File or folder name. */
  readonly name: string;
  /** The model's id in the catalogue, where its digest is there. */
  readonly id?: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly usedMs: number;
  readonly why: TrimReason;
}

export interface TrimReport {
  readonly bytesMax: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly isMet: boolean;
  readonly isDryRun: boolean;
  readonly removed: readonly TrimmedItem[];
  /** What stands in the way; empty where the budget is met. */
  readonly kept: readonly TrimmedItem[];
}

/**
 * Brings a store of models within a budget of bytes. First goes what costs least to have again: prepared forms without
 * their model, then prepared forms, then model files that are converted from an installed package or can be fetched by
 * their address and have a published digest; within each, what was not used for longest. Files that a person brought, or
 * that are trusted because they were the first, never go.
 *
 * Other processes may use and trim the same folder: everything leaves its place by one renaming, so that they find it
 * whole or not at all, and whatever of it they have open stays readable.
 *
 * @throws what the file system throws, but never because something is gone already.
 */
export async function trimModels(
  dir: string,
  options: TrimOptions,
  signal?: AbortSignal,
): Promise<TrimReport> {
  const { bytesMax, isDryRun = false } = options;
  if (!isDryRun) await empty(join(dir, LEAVING_FOLDER));
  const items = await storeContents(dir);
  const bytesBefore = items.reduce((sum, { bytes }) => sum + bytes, 0);
  const recentSinceMs = Date.now() - (options.recentMs ?? RECENT_MS);
  const judged = judge(items, { keep: options.keep, recentSinceMs });

  let bytes = bytesBefore;
  const removed: TrimmedItem[] = [];
  const busy = new Set<StoredItem>();
  for (const { item, why } of judged.removable) {
    if (bytes <= bytesMax) break;
    signal?.throwIfAborted();
    const outcome = isDryRun ? "removed" : await remove(dir, item);
    if (outcome === "used") {
      busy.add(item);
      continue;
    }
    bytes -= item.bytes;
    if (outcome === "removed") removed.push(describe(item, why));
    if (item.kind === "source" && item.sha256 !== undefined && !isDryRun) await forgetUse(dir, item.sha256);
  }
  const isMet = bytes <= bytesMax;
  const kept = [
    ...judged.kept.map(({ item, why }) => describe(item, why)),
    ...[...busy].map((item) => describe(item, "used just now")),
  ];
  return { bytesMax, bytesBefore, bytesAfter: bytes, isMet, isDryRun, removed, kept: isMet ? [] : kept };
}

type Judged = { readonly item: StoredItem; readonly why: TrimReason };
type Rule = { readonly keep: ReadonlySet<string>; readonly recentSinceMs: number };

/** What may go, in the order of going, and what may not. */
function judge(items: readonly StoredItem[], rule: Rule): { removable: Judged[]; kept: Judged[] } {
  const sources = new Set(items.flatMap(({ kind, sha256 }) => (kind === "source" && sha256 ? sha256 : [])));
  // Using a prepared form is using its model, whose file must be there for it.
  const latest = new Map<string | undefined, number>();
  for (const { sha256, usedMs } of items) latest.set(sha256, Math.max(usedMs, latest.get(sha256) ?? 0));
  const ranked: (Judged & { rank: number; usedMs: number })[] = [];
  const kept: Judged[] = [];
  for (const item of items) {
    const usedMs = item.kind === "source" ? (latest.get(item.sha256) ?? 0) : item.usedMs;
    const reason = reasonToKeep({ ...item, usedMs }, rule);
    const isOrphan = item.kind === "prepared" && item.sha256 !== undefined && !sources.has(item.sha256);
    if (reason !== undefined) kept.push({ item, why: reason });
    else if (isOrphan) ranked.push({ item, why: "its model is not here", rank: 0, usedMs });
    else ranked.push({ item, why: "not used for longest", rank: item.kind === "prepared" ? 1 : 2, usedMs });
  }
  return { removable: ranked.toSorted((a, b) => a.rank - b.rank || a.usedMs - b.usedMs), kept };
}

function reasonToKeep(
  { kind, sha256, entry, usedMs }: StoredItem,
  { keep, recentSinceMs }: Rule,
): TrimReason | undefined {
  if (sha256 === undefined) return "being prepared, or not the store's";
  if (keep.has(sha256)) return "asked to be kept";
  if (usedMs >= recentSinceMs) return "used just now";
  if (kind === "prepared") return undefined;
  if (entry === undefined) return "not known by a published digest";
  const canReturn = entry.source.kind === "npm" || entry.source.kind === "url";
  return canReturn ? undefined : "only a person can bring it again";
}

/** `used`: it changed or was used since it was judged; `gone`: another process was faster. */
async function remove(dir: string, item: StoredItem): Promise<"removed" | "used" | "gone"> {
  const now = await lookAgain(dir, item);
  if (now === undefined) return "gone";
  if (now.usedMs !== item.usedMs) return "used";
  const away = join(dir, LEAVING_FOLDER, randomUUID());
  await mkdir(dirname(away), { recursive: true });
  try {
    await rename(item.path, away);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "gone";
    throw error;
  }
  await discard(away);
  return "removed";
}

/** Removes what a process left that was ended while it removed it. The folder stays: others may be moving things into it. */
async function empty(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) await discard(join(folder, name));
}

/** Several processes may be removing the same. */
async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

function describe({ kind, path, entry, bytes, usedMs }: StoredItem, why: TrimReason): TrimmedItem {
  return { kind, name: basename(path), ...(entry === undefined ? {} : { id: entry.id }), bytes, usedMs, why };
}
