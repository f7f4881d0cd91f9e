/**
 * The whole system on one machine: API, upload and download doors, intake, sweeper in this process; agents as child
 * processes. State lives in one data folder and survives kill -9 of everything at any moment.
 */
import { createServer, type Server } from "node:http";
import { rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import type { AwsPlaces } from "./aws-places.ts";
import { startAgentFleet, type AgentFleet } from "./agent-fleet.ts";
import { openAwsEngines, openEmbeddedEngines, type Engines, type EnginesAsk } from "./engines.ts";
import { openDataFolder, type DataFolder } from "./data-folder.ts";
import { demandRoom, START_BYTES_MIN } from "./disk-room.ts";
import { createIntakeLine } from "./intake-line.ts";
import { openLogFile } from "./log-file.ts";
import { openScratchFolder } from "./scratch-folder.ts";
import { recover } from "./recover.ts";
import * as agents from "#functions/agents/agents.ts";
import { agentRoutes } from "#functions/agents/routes.ts";
import { createApp } from "#functions/api/app.ts";
import { webRoutes } from "#functions/api/web.ts";
import { apply, type ApplyDoors } from "#functions/apply.ts";
import { rateMonth } from "#functions/billing/rater.ts";
import { createRaterLine } from "#functions/billing/rater-line.ts";
import { createQuarantine } from "#functions/intake/decode.ts";
import { uploadArrived, uploadsAnnounced } from "#functions/intake/arrival.ts";
import { runIntake } from "#functions/intake/intake.ts";
import { deadLetter } from "#functions/dead-letters.ts";
import { perform } from "#functions/perform.ts";
import { putAside } from "#functions/unreadable.ts";
import { sweep, SWEEP_LOOPS, type SweepDoors } from "#functions/sweep/sweep.ts";
import type { AwsCall } from "#shared/adapters/aws-client.ts";
import { lockFolder } from "#shared/adapters/folder-lock.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { createStoreClock } from "#shared/store-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { ALONE, FLEET } from "#shared/domain/budget.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Command } from "#shared/domain/job.ts";
import { createLog, type Level, type Log } from "#shared/log.ts";
import type { Clock, Queue } from "#shared/ports.ts";
import { runConsumer } from "#shared/queue-consumer.ts";

export interface StackOptions {
  readonly dataDir: string;
  readonly modelsDir: string;
  /** Further folders searched for known model files. */
  readonly extraModelDirs: readonly string[];
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly agents: number;
  /** Threads of each agent's models; 0: as many as there are cores. */
  readonly threads: number;
  /** As model-settings.ts reads them; what is not said takes its default. */
  readonly modelSettings?: Readonly<Record<string, string>>;
  /** Given once to every job whose day is over; 0 by default. Milliseconds. */
  readonly graceMs?: number;
  readonly logLevel: Level;
  /** AWS's engines instead of the embedded ones. */
  readonly aws?: AwsPlaces;
  /** Told of every call that this process makes to AWS. */
  readonly onCall?: (call: AwsCall) => void;
  /** Another program for the agents, which speaks the same protocols; for benchmarks and tests. */
  readonly agentProgram?: URL;
}

export interface Stack extends AsyncDisposable {
  readonly url: string;
  readonly data: DataFolder;
  /** Resolves when the agents are registered and warm; requests are taken before that. */
  readonly ready: Promise<void>;
}

type Closer = () => PromiseLike<void> | void;

/** The one customer of a machine of one's own. */
const ORG = "org_local";
const VERSION = "0.1.0";
const ORPHANS_SWEEP_MS = 3_600_000;
const INTAKES_AT_ONCE = 2;
/** Messages of a queue that are handled at the same time. */
const LISTENERS = 8;

/** @throws Fault conflict `data_busy`, `port_busy`; busy `disk_full`; input `data_unwritable`, `address_invalid`. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const closers: Closer[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.toReversed()) await closer();
    closers.length = 0;
  };
  try {
    return await build(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(options: StackOptions, closers: Closer[], close: () => Promise<void>): Promise<Stack> {
  // The lock comes first: opening the folder empties the scratch of whoever ran before.
  closers.push(await lockFolder(options.dataDir));
  await demandRoom(options.dataDir, START_BYTES_MIN);
  const data = await openDataFolder(options.dataDir);
  const logFile = openLogFile(data.logFile);
  closers.push(logFile.close);
  const clock = createStoreClock(systemClock);
  const entropy = systemEntropy;
  const log = createLog({
    level: options.logLevel,
    write: logFile.write,
    now: clock.now,
    base: { of: "stack" },
  });

  let respond = async (_request: Request): Promise<Response> => new Response(null, { status: 503 });
  const listener = getRequestListener((request) => respond(request));
  const server = createServer((request, response) => void listener(request, response));
  const url = await listen(server, options);
  closers.push(() => stopServer(server));

  const enginesAsk: EnginesAsk = {
    data,
    url,
    clock,
    entropy,
    onStored: (key) => uploadArrived(applyDoors, key),
    ...(options.onCall === undefined ? {} : { onCall: options.onCall }),
  };
  const engines = await (options.aws === undefined
    ? openEmbeddedEngines(enginesAsk)
    : openAwsEngines(enginesAsk, options.aws));
  closers.push(() => engines[Symbol.asyncDispose]());
  // Nobody asks any more when the engines close.
  closers.push(() => stopServer(server));
  const { store, queue, blobs } = engines;

  const applyDoors: ApplyDoors = {
    store,
    clock,
    entropy,
    policy: { ...(options.agents > 1 ? FLEET : ALONE), graceMs: options.graceMs ?? 0 },
    perform: (command) => carryOut(command),
  };
  const quarantine = createQuarantine({ spare: 1 });
  closers.push(() => quarantine[Symbol.asyncDispose]());
  const openFolder = (name: string) => openScratchFolder(join(data.scratch, "intake", name));
  const intakeDoors = { ...applyDoors, blobs, log, quarantine, openFolder };
  const intakes = createIntakeLine({
    atOnce: INTAKES_AT_ONCE,
    run: (jobId, signal) => runIntake(intakeDoors, jobId, signal),
  });
  closers.push(() => intakes.close());
  const rater = createRaterLine({
    clock,
    log,
    rate: (org, month) => rateMonth({ store, clock, entropy, log }, { org, month }),
  });
  closers.push(rater.close);
  const tell = (jobId: string, event: JobEvent) => apply(applyDoors, jobId, event);
  const performDoors = { queue, blobs, log, startIntake: intakes.start, tell, rate: rater.ring };
  const carryOut = (command: Command): Promise<void> => perform(performDoors, command);

  const agentDoors = {
    ...applyDoors,
    blobs,
    fleetSecret: Buffer.from(entropy(32)).toString("base64url"),
    beatMs: engines.beatMs,
  };
  if (engines.isOwn) await recover(agentDoors);

  const closing = new AbortController();
  closers.push(() => closing.abort());
  const api = createApp({
    ...applyDoors,
    blobs,
    log,
    version: VERSION,
    authenticate: async () => ({ org: ORG }),
    allowedHosts: [options.host],
    closing: closing.signal,
  });
  api.route("/agents", agentRoutes(agentDoors));
  const { blobDoor } = engines;
  if (blobDoor !== undefined) api.all("/blobs/*", (c) => blobDoor(c.req.raw));
  api.route("/", webRoutes());
  respond = async (request) => api.fetch(request);

  const sweepDoors = { ...applyDoors, blobs, log };
  closers.push(
    ...SWEEP_LOOPS.map((classes) =>
      repeat(sweepDoors, {
        name: "sweep",
        everyMs: engines.sweepMs,
        round: (signal) => sweep(sweepDoors, { classes, signal }),
      }),
    ),
    // Files that no key names: what a kill between writing and naming leaves behind.
    repeat(sweepDoors, {
      name: "orphans_sweep",
      everyMs: ORPHANS_SWEEP_MS,
      round: async () => engines.sweepOrphans?.(),
    }),
    listenTo(sweepDoors, engines),
  );
  const fleet = startAgentFleet({
    agents: options.agents,
    program: options.agentProgram,
    env: {
      ...engines.agentEnvironment,
      ...agentEnvironment(options, data, { url, secret: agentDoors.fleetSecret }),
    },
    logFile,
    log,
    onGone: (agentId) => agents.gone(agentDoors, agentId),
  });
  closers.push(() => fleet.close());
  await writeFile(data.addressFile, JSON.stringify({ url, pid: process.pid }));
  closers.push(() => rm(data.addressFile, { force: true }));
  return stackOf(url, data, fleet, close);
}

function stackOf(url: string, data: DataFolder, fleet: AgentFleet, close: () => Promise<void>): Stack {
  return { url, data, ready: fleet.ready, [Symbol.asyncDispose]: close };
}

/** Hears what other places say: of uploads that arrived at S3, of doorbells that were given up. */
function listenTo(doors: SweepDoors, engines: Engines): () => Promise<void> {
  const { clock, entropy, log } = doors;
  const stop = new AbortController();
  const listen = (queue: Queue | undefined, name: string, hear: (body: string) => Promise<void>) =>
    queue === undefined
      ? Promise.resolve()
      : runConsumer(
          { queue, clock, entropy, log },
          {
            name,
            atOnce: LISTENERS,
            handle: ({ body }) => hear(body),
            onUnreadable: ({ id, body }, reason) => putAside(doors, { queue: name, id, body, reason }),
          },
          stop.signal,
        );
  const listening = Promise.all([
    listen(engines.uploads, "uploads", (body) => uploadsAnnounced(doors, body)),
    listen(engines.deadLetters, "dead_letters", (body) =>
      deadLetter({ ...doors, queue: engines.queue }, body),
    ),
  ]);
  return async () => {
    stop.abort();
    await listening;
  };
}

/** Once at start and then so often, until closed; a round that fails is logged. */
function repeat(
  { clock, log }: { clock: Clock; log: Log },
  ask: { name: string; everyMs: number; round: (signal: AbortSignal) => Promise<unknown> },
): () => Promise<void> {
  const stop = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await ask.round(stop.signal).catch((error: unknown) => log.error(`${ask.name}_failed`, { error }));
      await clock.sleep(ask.everyMs, stop.signal).catch(() => undefined);
    }
  };
  const running = loop();
  return () => {
    stop.abort();
    return running;
  };
}

function agentEnvironment(
  options: StackOptions,
  data: DataFolder,
  control: { url: string; secret: string },
): Record<string, string> {
  return {
    ...options.modelSettings,
    PHOTOKEEP_CONTROL_URL: control.url,
    PHOTOKEEP_FLEET_SECRET: control.secret,
    PHOTOKEEP_DATA: data.root,
    PHOTOKEEP_MODELS: options.modelsDir,
    PHOTOKEEP_EXTRA_MODELS: options.extraModelDirs.join(delimiter),
    PHOTOKEEP_THREADS: String(options.threads),
    PHOTOKEEP_LOG_LEVEL: options.logLevel,
  };
}

/** @throws Fault conflict `port_busy`; input `address_invalid`. */
async function listen(server: Server, { host, port }: Pick<StackOptions, "host" | "port">): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE")
        reject(
          new Fault(
            "conflict",
            "port_busy",
            `Port ${port} is in use; choose another with --port, or 0 for any free one.`,
          ),
        );
      else
        reject(
          new Fault(
            "input",
            "address_invalid",
            `Cannot listen on ${host}:${port} (${error.code}); choose another --host or --port.`,
            { cause: error },
          ),
        );
    });
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const actual = typeof address === "object" && address !== null ? address.port : port;
  return `http://${host.includes(":") ? `[${host}]` : host === "0.0.0.0" ? "127.0.0.1" : host}:${actual}`;
}

async function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
