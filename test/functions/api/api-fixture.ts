import * as agents from "#functions/agents/agents.ts";
import { readAgent } from "#functions/agents/agent-item.ts";
import type { Api, ApiDoors } from "#functions/api/api.ts";
import { createApp } from "#functions/api/app.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import { apply, loadJob } from "#functions/apply.ts";
import { perform } from "#functions/perform.ts";
import { createBlobDoor } from "#shared/adapters/blob-door.ts";
import { createManualClock, type ManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryBlobs } from "#shared/adapters/memory-blobs.ts";
import { createMemoryQueue } from "#shared/adapters/memory-queue.ts";
import { createMemoryStore } from "#shared/adapters/memory-store.ts";
import { createUrlSigner } from "#shared/adapters/url-signer.ts";
import type { IntakeMeasures } from "#shared/domain/analysis.ts";
import type { BlobRef } from "#shared/domain/blob.ts";
import { FLEET } from "#shared/domain/budget.ts";
import type { Job } from "#shared/domain/job.ts";
import { PROTOCOL_VERSION, type Capabilities, type Lease, type Progress } from "#shared/domain/message.ts";
import { STAGE_KINDS } from "#shared/domain/stage.ts";
import { createLog } from "#shared/log.ts";
import type { Clock, Entropy } from "#shared/ports.ts";
import { sampleAnalysis } from "../../domain/sample-analysis.ts";

const FLEET_SECRET = "the fleet's secret";

export interface World {
  readonly doors: agents.AgentDoors & ApiDoors;
  readonly app: Api;
  /** Jobs whose intake was asked for. */
  readonly intakes: string[];
  readonly lines: string[];
}

/**
 * The API on memory adapters, with the door for uploads and downloads. A bearer token is taken for the name of an
 * organisation.
 */
export function world(clock: Clock, extra: Partial<ApiDoors> & { baseUrl?: string } = {}): World {
  const { baseUrl = "http://localhost", ...doorsGiven } = extra;
  let seed = 1;
  const entropy: Entropy = (bytes) =>
    Uint8Array.from({ length: bytes }, () => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) >>> 16);
  const store = createMemoryStore({ clock });
  const queue = createMemoryQueue({ clock, entropy });
  const signer = createUrlSigner({ secret: new Uint8Array(32), baseUrl });
  const blobs = createMemoryBlobs({ signer });
  const intakes: string[] = [];
  const lines: string[] = [];
  const log = createLog({ level: "debug", write: (line) => lines.push(line), now: () => clock.now() });
  const doors: agents.AgentDoors & ApiDoors = {
    store,
    clock,
    entropy,
    blobs,
    log,
    policy: FLEET,
    version: "1.2.3",
    fleetSecret: FLEET_SECRET,
    beatMs: 5_000,
    authenticate: async (request) => {
      const org = /^Bearer (\w+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
      return org === undefined ? undefined : { org };
    },
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
    ...doorsGiven,
  };
  const app = createApp(doors);
  const onStored = async (key: string): Promise<void> => {
    const id = /^jobs\/(job_\w+)\/input$/.exec(key)?.[1];
    if (id !== undefined) await apply(doors, id, { type: "uploaded" });
  };
  const door = createBlobDoor({ blobs, signer, clock, onStored });
  app.all("/blobs/*", (c) => door(c.req.raw));
  return { doors, app, intakes, lines };
}

/** A world on a clock that stands still, and a caller of it. */
export function testWorld(extra: Parameters<typeof world>[1] = {}): World & Caller & { clock: ManualClock } {
  const clock = createManualClock();
  const made = world(clock, extra);
  return { ...made, ...callerOf(made.app, "org_1"), clock };
}

export interface Caller {
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Response>;
  readonly post: (path: string, body?: unknown, headers?: Record<string, string>) => Promise<Response>;
  readonly remove: (path: string) => Promise<Response>;
}

export function callerOf(app: Api, org: string): Caller {
  const call = async (
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<Response> =>
    app.request(path, {
      method,
      headers: {
        authorization: `Bearer ${org}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  return {
    get: (path, headers = {}) => call("GET", path, undefined, headers),
    post: (path, body, headers = {}) => call("POST", path, body, headers),
    remove: (path) => call("DELETE", path, undefined, {}),
  };
}

export const BYTES = new TextEncoder().encode("the bytes of a photograph");
export const FILE = { content_type: "image/jpeg", content_length: BYTES.length };

export async function bodyOf<T = Record<string, unknown>>(answer: Response): Promise<T> {
  return (await answer.json()) as T;
}

/** Sends bytes to an address that the API has signed. */
export function send(
  app: Api,
  slot: { url: string | null; headers: Record<string, string> } | null,
  bytes = BYTES,
): Promise<Response> {
  if (slot === null || slot.url === null) throw new Error("there is no address to send to");
  return Promise.resolve(app.request(slot.url, { method: "PUT", headers: slot.headers, body: bytes }));
}

/** A restoration whose bytes have arrived: queued. */
export async function queued(
  { app, post }: World & Caller,
  body: Record<string, unknown> = {},
): Promise<Restoration> {
  const created = await bodyOf<Restoration>(
    await post("/v1/restorations", { input: { file: FILE }, ...body }),
  );
  await send(app, created.upload);
  return created;
}

// ------------------------------------------------------------------------------------------------- the rest of the way

const MEASURES: IntakeMeasures = {
  width: 800,
  height: 600,
  format: "jpeg",
  bits: 8,
  hasAlpha: false,
  isGray: false,
  jpegQuality: 80,
  bytes: BYTES.length,
  sha256: "a".repeat(64),
  warnings: ["The file is cut short; the lower part is missing."],
};

const ANALYSIS = sampleAnalysis({
  noise: 0.03,
  tone: { black: [0, 0, 0], white: [1, 1, 1], fading: 0.2, cast: 0.1 },
});

const CAN: Capabilities = {
  protocol: PROTOCOL_VERSION,
  device: "cpu",
  slots: 1,
  stages: [...STAGE_KINDS],
  models: ["ffdnet-color", "realesr-general-x4v3", "esrgan-thick"],
};

export async function intakeStarted({ doors }: World, id: string): Promise<Job> {
  return (await apply(doors, id, { type: "intake-started" })).job;
}

export async function intakeDone({ doors }: World, id: string, image: Partial<BlobRef> = {}): Promise<void> {
  const blob = await doors.blobs.write(`jobs/${id}/intake/e1-n.image.tif`, BYTES, "image/tiff");
  await apply(doors, id, {
    type: "intake-done",
    epoch: 1,
    measures: MEASURES,
    image: { ...blob, width: 800, height: 600, ...image },
  });
}

/** An agent that does as it is told, over the same calls as a real one. */
export interface FakeAgent {
  readonly claim: (id: string) => Promise<Lease>;
  /** A beat: what it runs, and how far it is. */
  readonly beat: (lease: Lease, progress: Progress) => Promise<void>;
  /** Stores the outputs, ends the stage and takes the next one, if there is one. */
  readonly complete: (lease: Lease, files?: Files) => Promise<Lease | undefined>;
}

type Files = Readonly<Record<string, { bytes: Uint8Array; type: string; width: number; height: number }>>;

export async function fakeAgent({ doors }: World): Promise<FakeAgent> {
  const { agent } = await agents.register(doors, CAN);
  const record = await readAgent(doors.store, agent);
  if (record === undefined) throw new Error("the agent is not stored");
  let seq = 0;
  let claims = 0;
  const claimId = (): string => `clm_${agent}_${++claims}`;
  return {
    async claim(id) {
      const answer = await agents.claim(doors, record, { job: id, claimId: claimId() });
      if (answer.verdict !== "granted") throw new Error(`the claim was answered ${answer.verdict}`);
      return answer.lease;
    },
    async beat({ job, stage, epoch }, progress) {
      await agents.beat(doors, record, {
        seq: ++seq,
        runs: [{ job, stage, epoch, progress }],
        hot: [],
        ahead: false,
      });
    },
    async complete(lease, files = {}) {
      const outputs: Record<string, BlobRef> = {};
      for (const [name, { bytes, type, width, height }] of Object.entries(files)) {
        const blob = await doors.blobs.write(`${lease.outputPrefix}n.${name}`, bytes, type);
        outputs[name] = { ...blob, width, height };
      }
      const answer = await agents.complete(doors, record, {
        job: lease.job,
        stage: lease.stage,
        epoch: lease.epoch,
        outputs,
        timings: { seconds: 2.5, modelSeconds: 2, loadSeconds: 0.25 },
        warnings: lease.stage === "upscale" ? ["One tile was done twice."] : [],
        nextClaimId: claimId(),
        ...(lease.model === undefined ? {} : { model: lease.model }),
        ...(lease.stage === "analyze" ? { analysis: ANALYSIS } : {}),
      });
      if (answer.verdict !== "accepted") throw new Error("the stage was not accepted");
      return answer.next;
    },
  };
}

const picture = (text: string, type = "image/png") => ({
  bytes: new TextEncoder().encode(text),
  type,
  width: 1600,
  height: 1200,
});

/** What the last stage leaves behind. */
export const RESULT: Files = {
  image: picture("the restored photograph"),
  before: picture("a preview of before", "image/webp"),
  after: picture("a preview of after", "image/webp"),
  comparison: picture("both side by side", "image/jpeg"),
};

/** A restoration that has succeeded. */
export async function succeeded(
  all: World & Caller,
  body: Record<string, unknown> = {},
): Promise<Restoration> {
  const { id } = await queued(all, body);
  await intakeStarted(all, id);
  await intakeDone(all, id);
  const agent = await fakeAgent(all);
  let lease: Lease | undefined = await agent.claim(id);
  while (lease !== undefined) lease = await agent.complete(lease, lease.stage === "finish" ? RESULT : {});
  return bodyOf<Restoration>(await all.get(`/v1/restorations/${id}`));
}

export async function storedJob({ doors }: World, id: string): Promise<Job> {
  return (await loadJob(doors.store, id)).job;
}
