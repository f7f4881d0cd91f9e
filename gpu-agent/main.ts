/**
 * The agent: a supervisor that holds the leases, and a worker process that holds the pixels and the models.
 * Ends cleanly on SIGTERM, SIGINT, or when the parent it was spawned by (with IPC) is gone.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { createLog } from "#shared/log.ts";
import { readAgentConfig } from "./config.ts";
import { createControlClient } from "./control-client.ts";
import { openDoorbells } from "./engines.ts";
import { openScratch } from "./scratch.ts";
import { runSupervisor } from "./supervisor.ts";
import { createWorkerProcess } from "./worker/worker-process.ts";

/** Draining takes a few seconds at most; whatever hangs after that is not waited for. */
const DRAIN_MS_MAX = 7_000;

const config = readAgentConfig(process.env);
const log = createLog({
  level: config.logLevel,
  write: (line) => void process.stdout.write(line),
  now: clock.now,
  base: { of: "agent", pid: process.pid },
});

const stop = new AbortController();
const drain = (why: string): void => {
  if (stop.signal.aborted) return;
  log.info("agent-draining", { why });
  stop.abort();
  setTimeout(() => {
    log.error("drain-overdue", {});
    process.exit(1);
  }, DRAIN_MS_MAX).unref();
};
process.on("SIGTERM", () => drain("SIGTERM"));
process.on("SIGINT", () => drain("SIGINT"));
process.on("disconnect", () => drain("the parent is gone"));
// It may have gone before anybody listened. Without a parent that speaks there is no such property.
if ("connected" in process && !process.connected) drain("the parent is gone");
// A reader of the log that is gone must not end a run.
process.stdout.on("error", () => undefined);

try {
  const scratch = await openScratch(config.scratchRoot, process.pid);
  await using queue = await openDoorbells(config.doorbells);
  await using worker = createWorkerProcess({
    env: config.workerEnvironment(join(scratch, "slot-0")),
    clock,
    entropy,
    log,
  });
  await runSupervisor(
    {
      control: createControlClient({ url: config.controlUrl, fleetSecret: config.fleetSecret }),
      queue,
      workers: [worker],
      clock,
      entropy,
      log,
      onReady: (agent) => void process.send?.({ type: "ready", agent }),
    },
    stop.signal,
  );
  await worker[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
  log.info("agent-ended");
} catch (error) {
  log.error("agent-failed", { error });
  process.exitCode = 1;
}
// The channel to the parent would keep this process alive.
if (process.connected) process.disconnect();
