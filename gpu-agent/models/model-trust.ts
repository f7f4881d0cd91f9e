import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { invariant } from "#shared/domain/fault.ts";
import { ModelId, Sha256 } from "#shared/domain/model.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import lockFile from "../../models.lock.json" with { type: "json" };

/** What a model's file must be: its digest, and its size where that is known. */
export type ModelDigest = { readonly sha256: string; readonly bytes?: number };

/** models.lock.json: every file whose bytes have been seen; `integrity` is that of the npm files it is converted from. */
const Lock = z.strictObject({
  version: z.literal(1),
  models: z.record(
    ModelId,
    z.strictObject({
      sha256: Sha256,
      bytes: z.int().positive(),
      integrity: z
        .string()
        .regex(/^sha256-[0-9a-f]{64}$/)
        .optional(),
    }),
  ),
});

export const LOCK = Lock.parse(lockFile);

const Trusted = z.object({ sha256: Sha256, bytes: z.int().positive(), from: z.string() });

/**
 * The digests of models for which nobody published one: the first file that was fetched, or imported by a person,
 * counts, and every later one must be equal. One small file per model, created once.
 */
export type ModelTrust = {
  /** What the entry's file must be; undefined when any file would be the first. */
  expected(entry: ModelEntry): Promise<ModelDigest | undefined>;
  /** Remembers the first file of a model without a published digest; does nothing for others, or a second time. */
  remember(entry: ModelEntry, file: { sha256: string; bytes: number; from: string }): Promise<void>;
};

export function openModelTrust(folder: string): ModelTrust {
  const pathOf = (entry: ModelEntry): string => join(folder, `${entry.id}.json`);

  const remembered = async (entry: ModelEntry): Promise<ModelDigest | undefined> => {
    try {
      const { sha256, bytes } = Trusted.parse(JSON.parse(await readFile(pathOf(entry), "utf8")));
      return { sha256, bytes };
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  };

  return {
    async expected(entry) {
      if (entry.sha256 === undefined) return remembered(entry);
      return { sha256: entry.sha256, ...(entry.bytes === undefined ? {} : { bytes: entry.bytes }) };
    },
    async remember(entry, file) {
      if (entry.sha256 !== undefined) return;
      await mkdir(folder, { recursive: true });
      const temporary = join(folder, `.${randomUUID()}`);
      await writeFile(temporary, `${JSON.stringify(Trusted.parse(file), null, 2)}\n`);
      try {
        // A link fails where the name is taken: of two first files, one wins.
        await link(temporary, pathOf(entry));
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
        const first = await remembered(entry);
        invariant(
          first?.sha256 === file.sha256,
          `${entry.id} is compared with the first file before it is remembered`,
        );
      } finally {
        await rm(temporary, { force: true });
      }
    },
  };
}
