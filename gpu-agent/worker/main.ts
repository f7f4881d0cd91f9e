/** The program of the worker process: what serve.ts describes, on the models of its folder. */
import { availableParallelism } from "node:os";
import { createLog } from "#shared/log.ts";
import { readWorkerConfig } from "../config.ts";
import { openModelSource } from "./model-source.ts";
import { serveWorker } from "./serve.ts";

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
  openSource: () =>
    openModelSource({
      dir: config.modelsDir,
      extraDirs: config.extraModelDirs,
      licences: config.licences,
      provider: config.provider,
      ...(config.modelDiskBytes === undefined ? {} : { diskBytesMax: config.modelDiskBytes }),
      log,
    }),
});
