/** The agent with stand-in-worker.ts for its worker: the product's supervisor in a process of its own. */
import { fileURLToPath } from "node:url";
import { readAgentConfig } from "#agent/config.ts";
import { createControlClient } from "#agent/control-client.ts";
import { openDoorbells } from "#agent/engines.ts";
import { openWorker } from "#agent/open-worker.ts";
import { openScratch } from "#agent/scratch.ts";
import { runSupervisor } from "#agent/supervisor.ts";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { createLog } from "#shared/log.ts";

const config = readAgentConfig(process.env);
const log = createLog({
  level: config.logLevel,
  write: (line) => void process.stdout.write(line),
  now: clock.now,
  base: { of: "agent", pid: process.pid },
});
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
process.once("disconnect", () => stop.abort());

const scratch = await openScratch(config.scratchRoot, process.pid);
await using queue = await openDoorbells(config.doorbells);
await using worker = await openWorker({
  config,
  device: { kind: "cpu", name: "cpu" },
  scratch,
  slot: 0,
  clock,
  entropy,
  log,
  modulePath: fileURLToPath(new URL("./stand-in-worker.ts", import.meta.url)),
});
const control = createControlClient({ url: config.controlUrl, fleetSecret: config.fleetSecret });
const onReady = (agent: string): void => void process.send?.({ type: "ready", agent });
await runSupervisor({ control, queue, workers: [worker], clock, entropy, log, onReady }, stop.signal);
if (process.connected) process.disconnect();
