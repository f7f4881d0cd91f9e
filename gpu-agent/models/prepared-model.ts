import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Sha256 } from "#shared/domain/model.ts";
import { fileState, sha256File } from "./file-digest.ts";

/** The optimised graph, and its weights beside it (absent where all are small). */
export const GRAPH_FILE = "m.onnx";
export const WEIGHTS_FILE = "m.bin";
const MANIFEST_FILE = "manifest.json";

const PreparedFile = z.object({ bytes: z.int().min(0), mtimeMs: z.number(), sha256: Sha256 });
const Manifest = z.object({
  version: z.literal(1),
  /** Of the model it was made from. */
  source: Sha256,
  files: z.object({ [GRAPH_FILE]: PreparedFile, [WEIGHTS_FILE]: PreparedFile.optional() }),
});
type Manifest = z.infer<typeof Manifest>;

export type PreparedState =
  | { kind: "absent" }
  | { kind: "damaged"; why: string }
  | { kind: "sound"; path: string };

/** Writes the manifest that makes a folder a prepared model. It is the last file to be written. */
export async function sealPrepared(folder: string, source: string): Promise<void> {
  const describe = async (name: string) => {
    const state = await fileState(join(folder, name));
    if (state.kind !== "plain") return undefined;
    const { size, mtimeMs } = state.stats;
    return { bytes: size, mtimeMs, sha256: await sha256File(join(folder, name)) };
  };
  const weights = await describe(WEIGHTS_FILE);
  const manifest = Manifest.parse({
    version: 1,
    source,
    files: { [GRAPH_FILE]: await describe(GRAPH_FILE), ...(weights ? { [WEIGHTS_FILE]: weights } : {}) },
  });
  await writeFile(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`, { flag: "wx" });
}

/**
 * Looks at a prepared model. `quick` believes sizes and modification times and reads the files only where a time differs
 * (a copied folder); `full` always reads them.
 */
export async function checkPrepared(
  folder: string,
  { source, depth }: { source: string; depth: "quick" | "full" },
): Promise<PreparedState> {
  const manifest = await readManifest(folder);
  if (manifest === undefined) return { kind: "absent" };
  if (manifest === "damaged") return { kind: "damaged", why: `${MANIFEST_FILE} is unreadable` };
  if (manifest.source !== source) return { kind: "damaged", why: "it was made from another model" };

  for (const [name, expected] of Object.entries(manifest.files)) {
    if (expected === undefined) continue;
    const path = join(folder, name);
    const state = await fileState(path);
    if (state.kind === "absent") return { kind: "damaged", why: `${name} is missing` };
    if (state.kind === "odd") return { kind: "damaged", why: `${name}: ${state.why}` };
    if (state.stats.size !== expected.bytes) return { kind: "damaged", why: `${name} has another size` };
    const isTrusted = depth === "quick" && state.stats.mtimeMs === expected.mtimeMs;
    if (!isTrusted && (await sha256File(path)) !== expected.sha256) {
      return { kind: "damaged", why: `${name} has another SHA-256` };
    }
  }
  // Weights that the manifest does not know would be loaded unchecked.
  const weights = await fileState(join(folder, WEIGHTS_FILE));
  if (weights.kind !== "absent" && manifest.files[WEIGHTS_FILE] === undefined) {
    return { kind: "damaged", why: `${WEIGHTS_FILE} does not belong to it` };
  }
  return { kind: "sound", path: join(folder, GRAPH_FILE) };
}

export async function removePrepared(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

async function readManifest(folder: string): Promise<Manifest | "damaged" | undefined> {
  const path = join(folder, MANIFEST_FILE);
  const state = await fileState(path);
  if (state.kind === "absent") return undefined;
  if (state.kind === "odd") return "damaged";
  try {
    return Manifest.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    return "damaged";
  }
}
