/**
 * `npm run bench:cost`: what one job of five stages that goes well asks of DynamoDB, S3 and SQS, counted by the adapters
 * while the production control plane, intake and supervisor carry it from its creation to the deletion of its
 * intermediates. The stages copy their picture: the figures do not depend on pixels. Beats are kept apart.
 * The last line is one JSON object: write_units, read_units, s3_requests, sqs_requests.
 */
import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { createHash, randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { runSupervisor } from "#agent/supervisor.ts";
import type { ControlApi } from "#agent/control-client.ts";
import type { StageRunner } from "#agent/stages/stage.ts";
import type { Worker } from "#agent/worker/protocol.ts";
import { runStage } from "#agent/worker/run-stage.ts";
import type { AgentRecord } from "#functions/agents/agent-item.ts";
import * as agents from "#functions/agents/agents.ts";
import { createApp } from "#functions/api/app.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import { apply, type ApplyDoors } from "#functions/apply.ts";
import { uploadsAnnounced } from "#functions/intake/arrival.ts";
import { createQuarantine } from "#functions/intake/decode.ts";
import { runIntake } from "#functions/intake/intake.ts";
import { perform } from "#functions/perform.ts";
import { openScratchFolder } from "#local/scratch-folder.ts";
import type { AwsCall } from "#shared/adapters/aws-client.ts";
import { openDynamoStore } from "#shared/adapters/dynamo-store.ts";
import { createDynamoTable, deleteDynamoTable } from "#shared/adapters/dynamo-table.ts";
import { createS3Bucket, deleteS3Bucket } from "#shared/adapters/s3-bucket.ts";
import { openS3Blobs } from "#shared/adapters/s3-blobs.ts";
import { openSqsQueue } from "#shared/adapters/sqs-queue.ts";
import { createSqsQueue, deleteSqsQueue } from "#shared/adapters/sqs-resources.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { FLEET } from "#shared/domain/budget.ts";
import { modelsFor } from "#shared/domain/catalogue.ts";
import { invariant } from "#shared/domain/fault.ts";
import { DISCARD_AFTER_MS } from "#shared/domain/limits.ts";
import { createLog } from "#shared/log.ts";
import type { Clock, Queue } from "#shared/ports.ts";
import { runConsumer } from "#shared/queue-consumer.ts";
import { sampleAnalysis } from "../domain/sample-analysis.ts";

const HELP = `Counts what a job of five stages costs on AWS's engines.

  npm run emulators -- start        then, with the environment that it prints:
  npm run bench:cost [-- --calls]

  --calls   lists every operation and how often it was called`;

const { values } = parseArgs({
  options: { calls: { type: "boolean" }, help: { type: "boolean", short: "h" } },
});
if (values.help === true) {
  process.stdout.write(`${HELP}\n`);
  process.exit();
}
if (process.env["AWS_ENDPOINT_URL_DYNAMODB"] === undefined && process.env["AWS_TEST_STAGE"] === undefined) {
  process.stdout.write(`The engines are not here. ${HELP}\n${JSON.stringify({ skipped: "no engines" })}\n`);
  process.exit();
}

const calls: AwsCall[] = [];
const onCall = (call: AwsCall): void => void calls.push(call);
const name = `photokeep-bench-${randomBytes(6).toString("hex")}`;
const folder = await mkdtemp(join(tmpdir(), "photokeep-cost-"));
// The deletion of intermediates comes ten minutes after the end: the clock is put forward instead of waiting.
let aheadMs = 0;
const clock: Clock = {
  now: () => systemClock.now() + aheadMs,
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
};
const log = createLog({
  level: "error",
  write: (line) => void process.stderr.write(line),
  now: clock.now,
  base: {},
});

const analysis = sampleAnalysis({ noise: 0.1, faces: [{ x: 10, y: 10, width: 40, height: 40, score: 0.9 }] });

/** A stage that leaves its picture as it came. */
const copying: StageRunner = async ({ lease, files }) => {
  const path = files.path("copy.tif");
  await copyFile(await files.fetch(lease.image), path);
  const { width = 1, height = 1 } = lease.image;
  const image = await files.store("image", { path, contentType: "image/tiff", width, height });
  return { outputs: { image }, warnings: [], ...(lease.model === undefined ? {} : { model: lease.model }) };
};
/** Four pictures, as the real one. */
const finishing: StageRunner = async ({ lease, files }) => {
  const [image, original] = [await files.fetch(lease.image), await files.fetch(lease.original)];
  const { width = 1, height = 1 } = lease.image;
  const outputs: Awaited<ReturnType<StageRunner>>["outputs"] = {};
  for (const [output, from] of Object.entries({ image, before: original, after: image, comparison: image })) {
    const path = files.path(`${output}.png`);
    await copyFile(from, path);
    outputs[output] = await files.store(output, { path, contentType: "image/png", width, height });
  }
  return { outputs, warnings: [] };
};
const stages = {
  analyze: {
    run: (async ({ lease, files }) => {
      await files.fetch(lease.image);
      return { outputs: {}, analysis, warnings: [] };
    }) satisfies StageRunner,
  },
  denoise: { run: copying },
  faces: { run: copying },
  upscale: { run: copying },
  finish: { run: finishing },
};

await createDynamoTable({}, name);
await createS3Bucket({}, name);
const bells = await createSqsQueue({}, { name: `${name}-bells` });
const arrivals = await createSqsQueue({}, { name: `${name}-uploads` });
try {
  await using store = await openDynamoStore({ table: name, onCall });
  await using queue = await openSqsQueue({ url: bells.url, clock: systemClock, onCall });
  await using uploads = await openSqsQueue({ url: arrivals.url, clock: systemClock, onCall });
  await using blobs = await openS3Blobs({ bucket: name, clock: systemClock, onCall });
  // Neither beats nor S3's own announcements are part of the count.
  await using apartStore = await openDynamoStore({ table: name });
  await using apartBlobs = await openS3Blobs({ bucket: name, clock: systemClock });
  await using apartUploads = await openSqsQueue({ url: arrivals.url, clock: systemClock });
  await using quarantine = createQuarantine({ spare: 1 });

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
          startIntake: (jobId) =>
            void runIntake(
              {
                ...doors,
                blobs,
                log,
                quarantine,
                openFolder: (name) => openScratchFolder(join(folder, "intake", name)),
              },
              jobId,
            ),
          tell: (id, event) => apply(doors, id, event),
        },
        command,
      ),
  };
  const agentDoors: agents.AgentDoors = {
    ...doors,
    blobs,
    fleetSecret: "a secret of this run",
    beatMs: 5_000,
  };
  const apiDoors = {
    ...doors,
    blobs,
    log,
    version: "bench",
    authenticate: async () => ({ org: "org_bench" }),
  };
  // How often a customer asks how far it is, is the customer's: one look, at the end, is counted.
  const apis = {
    counted: createApp(apiDoors),
    apart: createApp({ ...apiDoors, store: apartStore, blobs: apartBlobs }),
  };

  const stop = new AbortController();
  const running = Promise.all([
    runSupervisor(
      {
        control: controlOf(agentDoors, { ...agentDoors, store: apartStore }),
        queue,
        workers: [worker(blobs)],
        clock,
        entropy,
        log,
      },
      stop.signal,
    ),
    listen(uploads, doors, stop.signal),
  ]);
  await sleep(1_000);
  calls.length = 0;
  const id = await restore(apis, apartUploads);
  aheadMs = DISCARD_AFTER_MS + 60_000;
  await apply(doors, id, { type: "due", objectThere: false });
  const counted = [...calls];
  stop.abort();
  await running;
  report(counted);
} finally {
  await Promise.allSettled([
    deleteDynamoTable({}, name),
    deleteS3Bucket({}, name),
    deleteSqsQueue({}, bells.url),
    deleteSqsQueue({}, arrivals.url),
    rm(folder, { recursive: true, force: true }),
  ]);
}
process.exit();

/** The control API without a network; each call authenticates, as over HTTP. */
function controlOf(counted: agents.AgentDoors, apart: agents.AgentDoors): ControlApi {
  const call =
    <Ask, Answer>(
      to: agents.AgentDoors,
      act: (doors: agents.AgentDoors, agent: AgentRecord, ask: Ask) => Promise<Answer>,
    ) =>
    async (token: string, ask: Ask): Promise<Answer> =>
      act(to, await agents.authenticate(to, token), ask);
  return {
    register: (can) => agents.register(apart, can),
    putAside: () => Promise.resolve(),
    beat: call(apart, agents.beat),
    claim: call(counted, agents.claim),
    complete: call(counted, agents.complete),
    fail: call(counted, agents.fail),
    release: call(counted, agents.release),
    goodbye: async () => undefined,
  };
}

function worker(blobs: Parameters<typeof runStage>[0]["blobs"]): Worker {
  const model = (task: Parameters<typeof modelsFor>[0]): string => {
    const [best] = modelsFor(task, {
      preset: "balanced",
      ...(task === "upscale" ? { scale: 2 as const } : {}),
    });
    invariant(best !== undefined, `the catalogue has a model for ${task}`);
    return best;
  };
  const models = [model("denoise"), model("face"), model("upscale")];
  return {
    ready: async () => ({
      device: "cpu",
      stages: ["analyze", "denoise", "faces", "upscale", "finish"],
      models,
      files: [],
    }),
    hot: () => models,
    foresee: () => undefined,
    kill: () => undefined,
    run: (lease, onProgress, signal) =>
      runStage(
        {
          blobs,
          scratch: join(folder, "worker"),
          stages,
          meterModels: () => ({
            ids: models,
            use: () => Promise.reject(new Error("no stage here uses a model")),
            makeRoom: async () => undefined,
            spent: { runMs: 0, loadMs: 0 },
          }),
          entropy,
          now: () => performance.now(),
          log,
        },
        { lease, report: onProgress },
        signal,
      ),
  };
}

function listen(queue: Queue, doors: ApplyDoors, signal: AbortSignal): Promise<void> {
  return runConsumer(
    { queue, clock: systemClock, entropy, log },
    { name: "uploads", atOnce: 1, handle: ({ body }) => uploadsAnnounced(doors, body) },
    signal,
  );
}

/** One photograph as a customer sends it: create, upload, wait, look, download. */
async function restore(
  apis: Readonly<Record<"counted" | "apart", ReturnType<typeof createApp>>>,
  announce: Queue,
): Promise<string> {
  const bytes = readFileSync(new URL("../../examples/portrait.jpg", import.meta.url));
  const file = {
    content_type: "image/jpeg",
    content_length: bytes.length,
    checksum_sha256: createHash("sha256").update(bytes).digest("hex"),
  };
  const created = await apis.counted.request("/v1/restorations", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": "cost-1" },
    body: JSON.stringify({ input: { file }, operations: { upscale: 2 } }),
  });
  const restoration = (await created.json()) as Restoration;
  const slot = restoration.upload;
  if (slot === null) throw new Error(`create: ${created.status} ${JSON.stringify(restoration)}`);
  const stored = await fetch(slot.url, { method: slot.method, headers: slot.headers, body: bytes });
  if (!stored.ok) throw new Error(`upload: ${stored.status} ${await stored.text()}`);
  calls.push({ service: "s3", operation: "PutObject by the customer", attempts: 1 });
  const record = { eventName: "ObjectCreated:Put", s3: { object: { key: `jobs/${restoration.id}/input` } } };
  await announce.send([{ body: JSON.stringify({ Records: [record] }) }]);

  const look = async (from: keyof typeof apis): Promise<Restoration> =>
    (await (await apis[from].request(`/v1/restorations/${restoration.id}`)).json()) as Restoration;
  const deadline = performance.now() + 120_000;
  while (!["succeeded", "failed", "canceled", "expired"].includes((await look("apart")).status)) {
    if (performance.now() > deadline) throw new Error("the job did not end in time");
    await sleep(500);
  }
  const done = await look("counted");
  if (done.status !== "succeeded") throw new Error(`${done.status}: ${JSON.stringify(done.error)}`);
  const ran = done.stages.filter(({ status }) => status !== "skipped");
  process.stdout.write(`stages: ${ran.map(({ kind }) => kind).join(", ")}\n`);
  const result = await fetch(done.output?.url ?? "");
  if (!result.ok) throw new Error(`download: ${result.status}`);
  await result.arrayBuffer();
  calls.push({ service: "s3", operation: "GetObject by the customer", attempts: 1 });
  return restoration.id;
}

function report(counted: readonly AwsCall[]): void {
  const of = (service: AwsCall["service"]) => counted.filter((call) => call.service === service);
  const sum = (units: (call: AwsCall) => number | undefined): number =>
    Math.round(of("dynamodb").reduce((total, call) => total + (units(call) ?? 0), 0) * 10) / 10;
  if (values.calls === true) {
    const table = Map.groupBy(counted, ({ service, operation }) => `${service} ${operation}`);
    for (const [operation, all] of [...table].toSorted(([a], [b]) => a.localeCompare(b)))
      process.stdout.write(
        `${String(all.length).padStart(4)}  ${operation}  ${all.map(({ readUnits, writeUnits }) => readUnits ?? writeUnits ?? "").join(" ")}\n`,
      );
  }
  const requests = (service: AwsCall["service"]): number =>
    of(service).reduce((total, { attempts }) => total + attempts, 0);
  const figures = {
    write_units: sum(({ writeUnits }) => writeUnits),
    read_units: sum(({ readUnits }) => readUnits),
    s3_requests: requests("s3"),
    sqs_requests: requests("sqs"),
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
