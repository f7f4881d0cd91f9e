import { join } from "node:path";
import { Fault } from "#shared/domain/fault.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { fileState, sha256File } from "./file-digest.ts";
import { corruptModel, missingModel } from "./model-faults.ts";
import type { ModelTrust } from "./model-trust.ts";
import { checkPrepared } from "./prepared-model.ts";
import { preparedKey } from "./prepared-key.ts";

type StoredFile = { readonly sha256: string; readonly bytes: number; readonly path: string };

/** The verified contents of a store's folder. One instance per process remembers what this process has read. */
export type ModelFiles = {
  readonly preparedRoot: string;
  /** Where a file of this digest belongs. */
  pathOf(sha256: string): string;
  /** Name, below `preparedRoot`, of the prepared form for this runtime and processor. */
  preparedName(sha256: string): string;
  /** The model's file, if it is here, by name and size alone. Throws Fault `model_corrupt` for what is plainly wrong. */
  find(entry: ModelEntry): Promise<StoredFile | undefined>;
  /**
   * Reads the model's file and compares its digest, unless this process has read these very bytes before and `again` is
   * not set. Throws Faults `model_missing`, `model_corrupt`.
   */
  verify(entry: ModelEntry, options?: { again: boolean }): Promise<StoredFile>;
  /** Likewise for the prepared form; undefined when there is none. Returns the graph's path. */
  verifyPrepared(
    entry: ModelEntry,
    sha256: string,
    options?: { again: boolean },
  ): Promise<string | undefined>;
  isPrepared(sha256: string): Promise<boolean>;
};

const ONCE = { again: false };

export function openModelFiles(dir: string, trust: ModelTrust): ModelFiles {
  const preparedRoot = join(dir, "prepared");
  const pathOf = (sha256: string): string => join(dir, "files", `${sha256}.onnx`);
  const preparedName = preparedKey;
  /** Path → size, time and inode of the file when this process verified it. */
  const verifiedFiles = new Map<string, string>();
  const verifiedFolders = new Set<string>();

  const look = async (entry: ModelEntry): Promise<(StoredFile & { stamp: string }) | undefined> => {
    const expected = await trust.expected(entry);
    if (expected === undefined) return undefined;
    const path = pathOf(expected.sha256);
    const state = await fileState(path);
    if (state.kind === "absent") return undefined;
    if (state.kind === "odd") throw corruptModel(entry, state.why);
    const { size, mtimeMs, ino } = state.stats;
    if (expected.bytes !== undefined && expected.bytes !== size)
      throw corruptModel(entry, "its size differs");
    return { sha256: expected.sha256, bytes: size, path, stamp: `${size} ${mtimeMs} ${ino}` };
  };

  return {
    preparedRoot,
    pathOf,
    preparedName,

    async find(entry) {
      return look(entry);
    },

    async verify(entry, { again } = ONCE) {
      const file = await look(entry);
      if (file === undefined) throw missingModel(entry);
      if (again || verifiedFiles.get(file.path) !== file.stamp) {
        verifiedFiles.delete(file.path);
        if ((await sha256File(file.path)) !== file.sha256) throw corruptModel(entry, "its SHA-256 differs");
        verifiedFiles.set(file.path, file.stamp);
      }
      return file;
    },

    async verifyPrepared(entry, sha256, { again } = ONCE) {
      const folder = join(preparedRoot, preparedName(sha256));
      const depth = again || !verifiedFolders.has(folder) ? "full" : "quick";
      const state = await checkPrepared(folder, { source: sha256, depth });
      if (state.kind === "absent") return undefined;
      if (state.kind === "damaged") {
        verifiedFolders.delete(folder);
        throw corruptModel(
          entry,
          `in its prepared form ${state.why}`,
          `npm run models -- prepare ${entry.id}`,
        );
      }
      verifiedFolders.add(folder);
      return state.path;
    },

    async isPrepared(sha256) {
      const folder = join(preparedRoot, preparedName(sha256));
      return (await checkPrepared(folder, { source: sha256, depth: "quick" })).kind === "sound";
    },
  };
}

/** Whether an error says that a model is not here, or not in a state to be used. */
export function isUnusable(error: unknown): boolean {
  return error instanceof Fault && (error.code === "model_missing" || error.code === "model_corrupt");
}
