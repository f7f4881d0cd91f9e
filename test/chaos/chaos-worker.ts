/**
 * The worker with a small model (stand-in-worker.ts), whose stages take as long as larger models would: most kills then
 * meet a stage at work. The waiting costs no processor, so that several agents fit on a machine with few cores.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { STAGES } from "#agent/stages/table.ts";
import type { StageRunner } from "#agent/stages/stage.ts";

const STAGE_MS_MIN = 300;
const STAGE_MS_MAX = 2_500;

function slowed(run: StageRunner): StageRunner {
  return async (work, signal) => {
    const result = await run(work, signal);
    await sleep(STAGE_MS_MIN + Math.random() * (STAGE_MS_MAX - STAGE_MS_MIN), undefined, { signal });
    return result;
  };
}

for (const [kind, entry] of Object.entries(STAGES))
  Object.assign(STAGES, { [kind]: { ...entry, run: slowed(entry.run) } });
await import("../bench/stand-in-worker.ts");
