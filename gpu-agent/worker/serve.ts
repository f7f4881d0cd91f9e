import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { invariant } from "#shared/domain/fault.ts";
import { STAGE_KINDS } from "#shared/domain/stage.ts";
import type { Log } from "#shared/log.ts";
import type { WorkerConfig } from "../config.ts";
import { openBlobs } from "../engines.ts";
import { STAGES } from "../stages/table.ts";
import type { ModelSource } from "./model-source.ts";
import { createPageCache } from "../vram/page-cache.ts";
import { createModels } from "./models.ts";
import {
  faultOf,
  wireOf,
  WorkerCommand,
  type ModelCommand,
  type WorkerAbility,
  type WorkerEvent,
} from "./protocol.ts";
import { runStage, type RunDoors } from "./run-stage.ts";

export interface WorkerAsk {
  readonly config: Pick<WorkerConfig, "blobs" | "scratch" | "threads" | "provider">;
  readonly log: Log;
  /** Called once the process listens: what takes long happens inside, and the parent's end is noticed meanwhile. */
  openSource(): Promise<ModelSource>;
}

/**
 * Makes this process a worker: it owns the pixels and the models' sessions, runs one stage at a time, opens and releases
 * models as the supervisor that forked it says, and may be killed at any moment. Ends the process when the supervisor is
 * gone.
 */
export async function serveWorker({ config, log, openSource }: WorkerAsk): Promise<void> {
  const now = (): number => performance.now();
  const tell = (event: WorkerEvent): void =>
    void process.send?.(event, undefined, undefined, () => undefined);

  // Nobody is left to work for, or to report to.
  // At once: the usual way out would wait for a model that runs.
  const end = (): void => void process.kill(process.pid, "SIGKILL");
  process.on("disconnect", end);
  if (!process.connected) end();
  process.stdout.on("error", () => undefined);
  // A terminal's Ctrl-C and a service manager's stop reach the whole group; how to end is the supervisor's decision.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => undefined);

  const source = await openSource();
  const models = createModels({
    source,
    pages: createPageCache(),
    session: { threads: config.threads, provider: config.provider },
    now,
    tell,
  });
  const doors: RunDoors = {
    blobs: await openBlobs(config.blobs),
    scratch: config.scratch,
    stages: STAGES,
    meterModels: models.meter,
    entropy,
    now,
    log,
  };

  let active: { readonly run: number; readonly abort: AbortController } | undefined;

  process.on("message", (message) => {
    const command = WorkerCommand.parse(message);
    switch (command.type) {
      case "abort":
        if (active?.run === command.run) active.abort.abort();
        return;
      case "run":
        invariant(active === undefined, "a worker runs one stage at a time");
        void runCommand(command);
        return;
      case "open":
      case "release":
      case "warm":
        void obey(command);
        return;
      case "granted":
        return models.granted(command);
      case "denied":
        return models.denied(command.use, faultOf(command.fault));
    }
  });

  async function obey({ call, ...command }: ModelCommand & { readonly call: number }): Promise<void> {
    try {
      tell({ type: "answered", call, ...(await models.obey(command)) });
    } catch (error) {
      log.warn("model-refused", { ...command, error });
      tell({ type: "refused", call, fault: wireOf(error) });
    }
  }

  async function runCommand({ run, lease }: Extract<WorkerCommand, { type: "run" }>): Promise<void> {
    const abort = new AbortController();
    active = { run, abort };
    const report: Parameters<typeof runStage>[1]["report"] = (progress) =>
      tell({ type: "progress", run, progress });
    const outcome = await runStage(doors, { lease, report }, abort.signal);
    active = undefined;
    tell(outcome.type === "aborted" ? { type: "aborted", run } : { ...outcome, run });
  }

  tell({ type: "ready", ability: abilityOf(source, config.provider) });
}

/** Only stages that can be run: those that are nothing without a model need one of its task. */
function abilityOf(source: ModelSource, device: string): WorkerAbility {
  const stages = STAGE_KINDS.filter((kind) => {
    const stage = STAGES[kind];
    return stage !== undefined && (stage.task === undefined || source.tasks.has(stage.task));
  });
  return { device, stages, models: [...source.ids], files: [...source.files] };
}
