/** One instance of the control plane: the production functions, behind the ports of one process that may die any time. */
import { createIntakeLine } from "#local/intake-line.ts";
import type { AgentDoors } from "#functions/agents/agents.ts";
import type { ApiDoors } from "#functions/api/api.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import { apply, type ApplyDoors } from "#functions/apply.ts";
import type { BatchDoors } from "#functions/billing/batch-runner.ts";
import type { MoneyDoors } from "#functions/billing/due.ts";
import { rateMonth } from "#functions/billing/rater.ts";
import { createRaterLine } from "#functions/billing/rater-line.ts";
import type { Quarantine } from "#functions/intake/decode.ts";
import { runIntake } from "#functions/intake/intake.ts";
import { perform } from "#functions/perform.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Log } from "#shared/log.ts";
import type { Queue } from "#shared/ports.ts";
import { createStoreClock } from "#shared/store-clock.ts";
import { blobsPort, queuePort, storePort } from "./engine-ports.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

export const FLEET_SECRET = "a secret of the whole fleet";
const BEAT_MS = 5_000;
const INTAKES_AT_ONCE = 4;
/** A reader loses its turn after two minutes. */
const SLOW_MS = [100_000, 140_000] as const;
const SLOW_READS_MAX = 2;

export interface ControlInstance extends AgentDoors, ApiDoors, MoneyDoors, BatchDoors {
  readonly readLines: BatchDoors["readLines"];
  readonly process: SimulatedProcess;
  readonly queue: Queue;
  readonly log: Log;
}

export function startControl(world: World, process: SimulatedProcess): ControlInstance {
  const { engines, network, loop } = world;
  const clock = createStoreClock(process.clock);
  const { entropy } = world.draws("entropy");
  const log = world.logOf(process);
  const store = storePort(process, engines.store, { network, loop, clock });
  const queue = queuePort(process, engines.queue, { network, loop });
  const blobs = blobsPort(process, engines.blobs, network);
  const doors: ApplyDoors = {
    store,
    clock,
    entropy,
    policy: world.policy,
    perform: (command) => perform(performDoors, command),
  };
  const outside = world.money.doorsOf(process);
  const rater = createRaterLine({
    clock,
    log,
    rate: (org, month) => rateMonth({ store, clock, entropy, log, prices: outside.prices }, { org, month }),
  });
  const tell = (jobId: string, event: JobEvent) => apply(doors, jobId, event);
  const performDoors = {
    queue,
    blobs,
    log,
    startIntake: (id: string) => intakes.start(id),
    tell,
    rate: rater.ring,
  };
  const intakeDoors = {
    ...doors,
    blobs,
    log,
    quarantine: simulatedQuarantine(world, process),
    openFolder: async (name: string) => ({ path: name, [Symbol.asyncDispose]: async () => undefined }),
  };
  const intakes = createIntakeLine({
    atOnce: INTAKES_AT_ONCE,
    run: (jobId, signal) => runIntake(intakeDoors, jobId, signal),
  });
  return {
    ...doors,
    ...outside,
    process,
    queue,
    blobs,
    log,
    fleetSecret: FLEET_SECRET,
    beatMs: BEAT_MS,
    version: "simulated",
    authenticate: async () => undefined,
  };
}

/** Takes its time, refuses what is no photograph, and is killed with its whole process by a few. */
function simulatedQuarantine(world: World, process: SimulatedProcess): Quarantine {
  const draws = world.draws("decoder");
  return {
    async decode({ outDir }) {
      const jobId = /^(job_[0-9a-z]+)-/.exec(outDir)?.[1] ?? "";
      const fate = world.fates.of(jobId);
      const isSlow = fate.isSlowToRead && fate.intakeStumbles < SLOW_READS_MAX;
      if (isSlow) fate.intakeStumbles += 1;
      await process.clock.sleep(isSlow ? draws.between(...SLOW_MS) : draws.between(...world.shape.readMs));
      if (fate.killsDecoder) {
        fate.intakeDeaths += 1;
        world.kill(process);
        await process.clock.sleep(1);
      }
      if (fate.isBadImage)
        throw new Fault("input", "image_broken", "The file is damaged and nothing in it can be shown.");
      if (fate.isUnreadable || draws.chance(world.rates().decoderBusy)) {
        fate.intakeStumbles += 1;
        throw new Fault("busy", "decoder_unavailable", "The photograph could not be read just now.");
      }
      const path = `${outDir}/${Buffer.from(draws.entropy(6)).toString("hex")}`;
      const { width, height } = fate;
      const image = { path, bytes: path.length, sha256: "" };
      return {
        measures: {
          width,
          height,
          format: "jpeg",
          bits: 8,
          hasAlpha: false,
          isGray: false,
          jpegQuality: 90,
          bytes: 1_000,
          sha256: "0".repeat(64),
          warnings: [],
        },
        image,
      };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
