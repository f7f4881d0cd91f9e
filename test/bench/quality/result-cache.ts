import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { MemoryPicture } from "../../measures/memory-picture.ts";
import { readPicture } from "../../measures/read-picture.ts";

/** What a run made of one picture. */
interface Outcome<T> {
  readonly value: T;
  /** Kept beside it where there is one. */
  readonly picture?: MemoryPicture;
}

/** Results of earlier runs, by everything that they depend on: a run that was cut short goes on where it stopped. */
export interface ResultCache {
  /** Whether `key` was made already. */
  has(key: string): boolean;
  value<T>(key: string): Promise<T>;
  /** Only for keys that were put with a picture. */
  picture(key: string): Promise<MemoryPicture>;
  put<T>(key: string, outcome: Outcome<T>): Promise<void>;
}

export async function openResultCache(folder: string): Promise<ResultCache> {
  await mkdir(folder, { recursive: true });
  const at = (key: string, kind: "json" | "png"): string => join(folder, `${key}.${kind}`);
  return {
    has: (key) => existsSync(at(key, "json")),
    value: async <T>(key: string) => JSON.parse(await readFile(at(key, "json"), "utf8")) as T,
    picture: (key) => readPicture(at(key, "png")),
    async put(key, { value, picture }) {
      if (picture !== undefined) await sharp(picture.data, { raw: picture }).png().toFile(at(key, "png"));
      // The value comes last and whole: with it the entry is there.
      const half = `${at(key, "json")}.half`;
      await writeFile(half, JSON.stringify(value));
      await rename(half, at(key, "json"));
    },
  };
}

/** The key of everything a result depends on. */
export function resultKey(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest("hex").slice(0, 32);
}
