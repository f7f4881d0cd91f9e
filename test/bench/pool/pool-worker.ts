/**
 * The product's worker with one stage alone: it takes the first model of its lease, runs it on one tile of the size it
 * is granted, and gives it back. The models, their threads and the protocol are the product's; there are no pictures.
 */
import { availableParallelism } from "node:os";
import { readWorkerConfig } from "#agent/config.ts";
import { createPageCache } from "#agent/vram/page-cache.ts";
import { createModels } from "#agent/worker/models.ts";
import { openModelSource } from "#agent/worker/model-source.ts";
import { faultOf, wireOf, WorkerCommand, type WorkerEvent } from "#agent/worker/protocol.ts";
import { invariant } from "#shared/domain/fault.ts";
import { createLog } from "#shared/log.ts";
import { readStandIns } from "./pool-stand-ins.ts";
import { tileFeeds } from "./tile-feeds.ts";

const never = new AbortController().signal;
const config = readWorkerConfig(process.env, availableParallelism());
const log = createLog({
  level: config.logLevel,
  write: (line) => void process.stderr.write(line),
  now: Date.now,
  base: { of: "worker", pid: process.pid },
});
const now = (): number => performance.now();
const tell = (event: WorkerEvent): void => void process.send?.(event, undefined, undefined, () => undefined);

process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

const standIns = await readStandIns(config.scratch);
const source = await openModelSource({
  dir: config.modelsDir,
  extraDirs: config.extraModelDirs,
  licences: config.licences,
  log,
});
const models = createModels({
  source: {
    ids: [...source.ids, ...Object.keys(standIns)],
    locate: async (id) => standIns[id] ?? (await source.locate(id)),
  },
  pages: createPageCache(),
  session: { threads: config.threads, provider: "cpu" },
  now,
  tell,
});

type Command<Type extends WorkerCommand["type"]> = Extract<WorkerCommand, { type: Type }>;

async function obey({ call, type, model }: Command<"open" | "release" | "warm">): Promise<void> {
  try {
    tell({ type: "answered", call, ...(await models.obey({ type, model })) });
  } catch (error) {
    log.error("model-refused", { type, model, error });
    tell({ type: "refused", call, fault: wireOf(error) });
  }
}

async function play({ run, lease }: Command<"run">): Promise<void> {
  try {
    const since = now();
    const meter = models.meter();
    const [id] = lease.models;
    invariant(id !== undefined, "a lease of this benchmark names its model");
    {
      await using use = await meter.use(id, never);
      await use.model.run(tileFeeds(use.model, use.tilePixels));
    }
    const timings = {
      seconds: (now() - since) / 1_000,
      modelSeconds: meter.spent.runMs / 1_000,
      loadSeconds: meter.spent.loadMs / 1_000,
    };
    tell({ type: "done", run, result: { outputs: {}, timings, warnings: [] } });
  } catch (error) {
    log.error("stage-failed", { error });
    tell({ type: "failed", run, result: { failure: "bug", message: String(error).slice(0, 500) } });
  }
}

process.on("message", (message) => {
  const command = WorkerCommand.parse(message);
  switch (command.type) {
    case "run":
      return void play(command);
    case "open":
    case "release":
    case "warm":
      return void obey(command);
    case "granted":
      return models.granted(command);
    case "denied":
      return models.denied(command.use, faultOf(command.fault));
    case "abort":
      throw new Error("nothing is aborted here");
  }
});

tell({ type: "ready", ability: { device: "cpu", stages: ["upscale"], models: [...source.ids], files: [] } });
