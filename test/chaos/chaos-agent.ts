/** The product's supervisor with a small model in its worker, and crash points around its calls (crash-points.ts). */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { crashingControl, crashingQueue, type Passer } from "./crashing-doors.ts";
import { noteAgent, passPoint } from "./crash-points.ts";
import { readAgentConfig } from "#agent/config.ts";
import { createControlClient } from "#agent/control-client.ts";
import { openDoorbells } from "#agent/engines.ts";
import { openWorker } from "#agent/open-worker.ts";
import { openScratch } from "#agent/scratch.ts";
import { runSupervisor } from "#agent/supervisor.ts";
import { steadyClock as clock } from "#shared/adapters/steady-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { createLog } from "#shared/log.ts";

const config = readAgentConfig(process.env);
const data = process.env["PHOTOKEEP_DATA"] ?? "";
const log = createLog({
  level: config.logLevel,
  write: (line) => void process.stdout.write(line),
  now: clock.now,
  base: { of: "agent", pid: process.pid },
});
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
process.once("disconnect", () => stop.abort());
process.stdout.on("error", () => undefined);

const passer: Passer = {
  pass: (point, held) =>
    void passPoint(data, {
      point,
      pid: process.pid,
      at: Date.now(),
      ...(held === undefined ? {} : { held }),
    }),
  /** A commit takes about a millisecond: some deaths come before it, some after. */
  async passInFlight(point) {
    await sleep((entropy(1)[0] ?? 0) % 4);
    passPoint(data, { point, pid: process.pid, at: Date.now() }, process.ppid);
  },
};

/** Of the others nobody hears when they die, as of a machine that lost its power: their leases have to run out. */
const announced = (entropy(1)[0] ?? 0) % 2 === 0;

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
  modulePath: fileURLToPath(new URL("./chaos-worker.ts", import.meta.url)),
});
const client = createControlClient({ url: config.controlUrl, fleetSecret: config.fleetSecret });
await runSupervisor(
  {
    control: crashingControl(client, passer, (id) => noteAgent(data, process.pid, { id, announced })),
    queue: crashingQueue(queue, passer),
    workers: [worker],
    drainGraceMs: () => 0,
    clock,
    entropy,
    log,
    onReady: (agent) => void process.send?.({ type: "ready", ...(announced && { agent }) }),
  },
  stop.signal,
);
if (process.connected) process.disconnect();
