/**
 * The worker with another model behind the name esrgan-thick: the file `stand-in.onnx` of the first extra folder. All
 * other models, the store and the worker itself are the product's.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { readWorkerConfig } from "#agent/config.ts";
import { openModelSource } from "#agent/worker/model-source.ts";
import { serveWorker } from "#agent/worker/serve.ts";
import { findModel } from "#shared/domain/catalogue.ts";
import { createLog } from "#shared/log.ts";
import { STAND_IN_FILE, STAND_IN_FOR } from "./stand-in-place.ts";

const config = readWorkerConfig(process.env, availableParallelism());
const log = createLog({
  level: config.logLevel,
  write: (line) => void process.stdout.write(line),
  now: Date.now,
  base: { of: "worker", pid: process.pid },
});

await serveWorker({
  config,
  log,
  async openSource() {
    const source = await openModelSource({
      dir: config.modelsDir,
      extraDirs: [],
      licences: config.licences,
      log,
    });
    const [folder = ""] = config.extraModelDirs;
    return {
      ...source,
      async locate(id) {
        const entry = findModel(id);
        if (id !== STAND_IN_FOR || entry === undefined) return source.locate(id);
        return { entry, path: join(folder, STAND_IN_FILE), isPrepared: false };
      },
    };
  },
});
