import type { z } from "zod";
import { readAgent, type AgentRecord } from "#functions/agents/agent-item.ts";
import * as agents from "#functions/agents/agents.ts";
import { apply, jobItem, loadJob, type ApplyDoors } from "#functions/apply.ts";
import { perform } from "#functions/perform.ts";
import { createManualClock, type ManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryBlobs } from "#shared/adapters/memory-blobs.ts";
import { createMemoryQueue } from "#shared/adapters/memory-queue.ts";
import { createMemoryStore } from "#shared/adapters/memory-store.ts";
import { createUrlSigner } from "#shared/adapters/url-signer.ts";
import { FLEET } from "#shared/domain/budget.ts";
import { newJob, type Job } from "#shared/domain/job.ts";
import { PROTOCOL_VERSION, type Capabilities } from "#shared/domain/message.ts";
import { Options } from "#shared/domain/options.ts";
import { createLog } from "#shared/log.ts";
import type { Blobs, Entropy, Queue, Store, StoreScan } from "#shared/ports.ts";
import { analysis, measures } from "../domain/job-fixture.ts";

/** The control plane on memory adapters and a clock that stands still. */
export interface ControlPlane extends agents.AgentDoors {
  readonly store: Store & StoreScan;
  readonly queue: Queue;
  readonly blobs: Blobs;
  readonly clock: ManualClock;
  /** Jobs whose intake was asked for. */
  readonly intakes: string[];
  readonly log: ReturnType<typeof createLog>;
  readonly lines: string[];
}

export const SECRET = "fleet-secret";
export const can: Capabilities = {
  protocol: PROTOCOL_VERSION,
  device: "cpu",
  slots: 1,
  stages: ["analyze", "upscale", "finish"],
  models: ["esrgan-thick"],
};

export function controlPlane(): ControlPlane {
  let seed = 1;
  const entropy: Entropy = (bytes) =>
    Uint8Array.from({ length: bytes }, () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 16);
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const queue = createMemoryQueue({ clock, entropy });
  const signer = createUrlSigner({ secret: new Uint8Array(32), baseUrl: "http://127.0.0.1" });
  const blobs = createMemoryBlobs({ signer });
  const intakes: string[] = [];
  const lines: string[] = [];
  const log = createLog({ level: "debug", write: (line) => lines.push(line), now: () => clock.now() });
  const doors: ApplyDoors = {
    store,
    clock,
    entropy,
    policy: FLEET,
    perform: (command) =>
      perform(
        {
          queue,
          blobs,
          log,
          startIntake: (id) => intakes.push(id),
          tell: (id, event) => apply(doors, id, event),
        },
        command,
      ),
  };
  return { ...doors, store, queue, blobs, clock, intakes, log, lines, fleetSecret: SECRET, beatMs: 5_000 };
}

/** A job whose first stage is ready, with its doorbell rung. */
export async function readyJob(
  plane: ControlPlane,
  id = "job_1",
  asked: z.input<typeof Options> = {},
): Promise<Job> {
  const input = { key: `jobs/${id}/input`, contentType: "image/jpeg", bytes: 3 };
  const job = newJob(
    { id, org: "org_1", options: Options.parse(asked), input, uploaded: true },
    plane.clock.now(),
  );
  await plane.store.transact([{ op: "put", item: jobItem(job), when: "absent" }]);
  await plane.blobs.write(input.key, new Uint8Array(3), "image/jpeg");
  await apply(plane, id, { type: "intake-started" });
  const image = await plane.blobs.write(`jobs/${id}/intake/e1-x.image.tif`, new Uint8Array(4), "image/tiff");
  return (
    await apply(plane, id, {
      type: "intake-done",
      epoch: 1,
      measures,
      image: { ...image, width: 8, height: 6 },
    })
  ).job;
}

export async function newAgent(plane: ControlPlane): Promise<AgentRecord> {
  const { agent } = await agents.register(plane, can);
  const record = await readAgent(plane.store, agent);
  if (record === undefined) throw new Error("the agent is not stored");
  return record;
}

/** What an honest agent says when it has finished a stage: the bytes are stored first. */
export async function finished(
  plane: ControlPlane,
  lease: { job: string; stage: "analyze" | "upscale" | "finish"; epoch: number; outputPrefix: string },
  nextClaimId?: string,
) {
  const outputs =
    lease.stage === "analyze"
      ? {}
      : {
          image: await plane.blobs.write(
            `${lease.outputPrefix}n.image.tif`,
            Buffer.from(`${lease.stage}${lease.epoch}`),
            "image/tiff",
          ),
        };
  return {
    job: lease.job,
    stage: lease.stage,
    epoch: lease.epoch,
    outputs,
    timings: { seconds: 1, modelSeconds: 1, loadSeconds: 0 },
    warnings: [],
    ...(lease.stage === "analyze" ? { analysis } : {}),
    ...(nextClaimId === undefined ? {} : { nextClaimId }),
  };
}

export const jobOf = async (plane: ControlPlane, id = "job_1"): Promise<Job> =>
  (await loadJob(plane.store, id)).job;
