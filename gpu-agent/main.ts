/**
 * The agent: a supervisor that holds the leases, and a worker process that holds the pixels and the models.
 * Ends cleanly on SIGTERM, SIGINT, or when the parent it was spawned by (with IPC) is gone.
 */
import { rm } from "node:fs/promises";
import { steadyClock as clock } from "#shared/adapters/steady-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { createLog } from "#shared/log.ts";
import { readAgentConfig } from "./config.ts";
import { createControlClient } from "./control-client.ts";
import { findDevices } from "./device/find-devices.ts";
import { openDoorbells } from "./engines.ts";
import { openWorker } from "./open-worker.ts";
import { openScratch } from "./scratch.ts";
import { spotNotice } from "./spot-notice.ts";
import { runSupervisor } from "./supervisor.ts";
import type { Worker } from "./worker/protocol.ts";

/** Draining takes a few seconds at most; whatever hangs after that is not waited for. */
const DRAIN_MS_MAX = 7_000;
/** Of the two minutes that a spot notice leaves: what will not be done by then is given back at once. */
const SPOT_GRACE_MS = 90_000;

const config = readAgentConfig(process.env);
const log = createLog({
  level: config.logLevel,
  write: (line) => void process.stdout.write(line),
  now: Date.now,
  base: { of: "agent", pid: process.pid },
});

const stop = new AbortController();
let drainGraceMs = 0;
const drain = (why: string, graceMs = 0): void => {
  if (stop.signal.aborted) return;
  log.info("agent-draining", { why, graceMs });
  drainGraceMs = graceMs;
  stop.abort();
  setTimeout(() => {
    log.error("drain-overdue", {});
    process.exit(1);
  }, graceMs + DRAIN_MS_MAX).unref();
};
process.on("SIGTERM", () => drain("SIGTERM"));
process.on("SIGINT", () => drain("SIGINT"));
process.on("disconnect", () => drain("the parent is gone"));
// It may have gone before anybody listened. Without a parent that speaks there is no such property.
if ("connected" in process && !process.connected) drain("the parent is gone");
// A reader of the log that is gone must not end a run.
process.stdout.on("error", () => undefined);

if (config.metadataUrl !== undefined) {
  const ask = { url: config.metadataUrl, clock, log };
  const notice = spotNotice(ask, stop.signal);
  void notice.then((why) => (why === undefined ? undefined : drain(why, SPOT_GRACE_MS)));
}

try {
  const scratch = await openScratch(config.scratchRoot, process.pid);
  await using queue = await openDoorbells(config.doorbells);
  const { slots, notes } = await findDevices(config.device, { signal: stop.signal, log });
  for (const note of notes) log.warn("device-passed-over", { note });
  await using ending = new AsyncDisposableStack();
  const workers: Worker[] = [];
  for (const [slot, device] of slots.entries()) {
    const ask = { config, device, scratch, slot, clock, entropy, log };
    workers.push(ending.use(await openWorker(ask)));
  }
  await runSupervisor(
    {
      control: createControlClient({ url: config.controlUrl, fleetSecret: config.fleetSecret }),
      queue,
      workers,
      drainGraceMs: () => drainGraceMs,
      clock,
      entropy,
      log,
      onReady: (agent) => void process.send?.({ type: "ready", agent }),
    },
    stop.signal,
  );
  await ending.disposeAsync();
  await rm(scratch, { recursive: true, force: true });
  log.info("agent-ended");
} catch (error) {
  if (error !== stop.signal.reason) {
    log.error("agent-failed", { error });
    process.exitCode = 1;
  }
}
// The channel to the parent would keep this process alive.
if (process.connected) process.disconnect();
