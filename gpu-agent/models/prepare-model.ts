import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Fault } from "#shared/domain/fault.ts";
import { inspectOnnx } from "./onnx-inspection.ts";
import { checkPrepared, GRAPH_FILE, removePrepared, sealPrepared, WEIGHTS_FILE } from "./prepared-model.ts";

const execFileAsync = promisify(execFile);
const PREPARE_SCRIPT = fileURLToPath(new URL("../worker/prepare.ts", import.meta.url));

/** The slowest model in use takes 3 s on two cores. */
const PREPARE_MS_MAX = 300_000;
/** Of the runtime's complaints. */
const WORDS_BYTES_MAX = 1 << 20;
const PLACE_TRIES_MAX = 3;
/** A temporary folder this old belongs to a process that was killed. */
const ABANDONED_AFTER_MS = 3_600_000;
const TEMPORARY_PREFIX = ".preparing-";

export type PrepareRequest = {
  /** The model's id, for messages. */
  readonly id: string;
  /** The verified source file and its digest. */
  readonly source: string;
  readonly sha256: string;
  /** Folder of all prepared models, and the name of this one in it. */
  readonly root: string;
  readonly name: string;
  readonly timeoutMs?: number;
};

/**
 * Prepares a model in a process of its own and moves the result into place at once, unless it is there already; whoever
 * prepares the same model at the same time finds one of two equal results. Returns the path of the graph to load.
 *
 * Throws Fault `model_unpreparable` when the runtime refuses the model, `prepare_overdue` when it takes too long.
 */
export async function prepareModel(request: PrepareRequest, signal?: AbortSignal): Promise<string> {
  const { id, source, sha256, root, name, timeoutMs = PREPARE_MS_MAX } = request;
  const there = await checkPrepared(join(root, name), { source: sha256, depth: "full" });
  if (there.kind === "sound") return there.path;
  await mkdir(root, { recursive: true });
  await removeAbandoned(root);
  const temporary = join(root, `${TEMPORARY_PREFIX}${randomUUID()}`);
  await mkdir(temporary);
  try {
    await runPreparer({ id, source, folder: temporary, timeoutMs }, signal);
    // The runtime resolves the weights' path beside the graph: anything but our own file name would leave the folder.
    const outside = inspectOnnx(await readFile(join(temporary, GRAPH_FILE))).externalPaths;
    if (outside.some((path) => path !== WEIGHTS_FILE))
      throw unpreparable(id, `unexpected weights: ${outside.join()}`);
    await sealPrepared(temporary, sha256);
    await takePlace(temporary, join(root, name), sha256);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return join(root, name, GRAPH_FILE);
}

type PreparerRun = { id: string; source: string; folder: string; timeoutMs: number };

async function runPreparer(
  { id, source, folder, timeoutMs }: PreparerRun,
  signal?: AbortSignal,
): Promise<void> {
  const child = execFileAsync(execPath, [PREPARE_SCRIPT, source, folder, GRAPH_FILE, WEIGHTS_FILE], {
    // Large blocks go back to the system as soon as they are freed.
    env: { MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072" },
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    maxBuffer: WORDS_BYTES_MAX,
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    await child;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Error && "killed" in error && error.killed === true) {
      const seconds = Math.round(timeoutMs / 1_000);
      throw new Fault(
        "busy",
        "prepare_overdue",
        `Preparing the model ${id} took longer than ${seconds} s. Try again.`,
      );
    }
    throw unpreparable(id, error);
  }
}

/** Renames a finished folder to its final name, which may be taken: by an equal result (kept) or a damaged one (replaced). */
async function takePlace(temporary: string, place: string, sha256: string): Promise<void> {
  for (let tries = 0; tries < PLACE_TRIES_MAX; tries++) {
    try {
      await rename(temporary, place);
      return;
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
    const there = await checkPrepared(place, { source: sha256, depth: "full" });
    if (there.kind === "sound") return;
    await removePrepared(place);
  }
  throw new Fault("busy", "prepare_crowded", "Other processes keep preparing the same model. Try again.");
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOTEMPTY" || error.code === "EEXIST");
}

async function removeAbandoned(root: string): Promise<void> {
  const names = (await readdir(root)).filter((name) => name.startsWith(TEMPORARY_PREFIX));
  for (const name of names) {
    const { mtimeMs } = await stat(join(root, name)).catch(() => ({ mtimeMs: Infinity }));
    if (Date.now() - mtimeMs > ABANDONED_AFTER_MS) await removePrepared(join(root, name));
  }
}

function unpreparable(id: string, cause: unknown): Fault {
  const message = `The runtime cannot use the model ${id}: its file is not one for this version. Remove it or choose another model.`;
  return new Fault("input", "model_unpreparable", message, { cause });
}
