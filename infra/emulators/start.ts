import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { readState, removeState, writeState, type RunningServer, type ServerId } from "./emulator-state.ts";
import { LOCAL_IDENTITY, type Environment } from "./environment.ts";
import { inFolderAlone } from "./folder-hold.ts";
import { ensureInstalled } from "./install.ts";
import type { EmulatorPlaces } from "./places.ts";
import { end, usableEnvironment } from "./server-process.ts";
import { programOf, type Server } from "./server.ts";
import { startServer, type ReadyServer } from "./start-server.ts";
import type { Machine } from "./tool.ts";
import { Fault } from "#shared/domain/fault.ts";

export interface StartAsk {
  /** Each behind those it comes after. */
  readonly servers: readonly Server[];
  readonly places: EmulatorPlaces;
  readonly machine: Machine;
  /** Empties what the servers keep, first. */
  readonly fresh: boolean;
  /** Progress, line by line. */
  readonly say: (line: string) => void;
}

export interface Started {
  readonly environment: Environment;
  /** Nothing had to be started. */
  readonly wasRunning: boolean;
  /** Why a server does not run, a sentence each. */
  readonly leftOut: readonly string[];
}

/** A server and the folder of its installation. */
type Usable = readonly (readonly [server: Server, programs: string])[];

/**
 * Installs what is missing, starts every server on a free loopback port and creates what a local stack needs in them.
 * A server that cannot run is left out with its sentence; the others start. They outlive this process; what they keep
 * lies in `places.state` and is there again at the next start.
 * @throws Fault busy `emulators_busy`; input `folder_unwritable`.
 */
export async function startEmulators(ask: StartAsk, signal: AbortSignal): Promise<Started> {
  const { servers, places, machine, say } = ask;
  const leftOut: string[] = [];
  const place = { folder: places.programs, machine, say };
  const installed = await allOf(
    servers.map(async (server) => {
      const programs = await unlessFault(ensureInstalled(server, place, signal), leftOut);
      return programs === undefined ? undefined : ([server, programs] as const);
    }),
  );
  signal.throwIfAborted();
  const usable = installed.filter((each) => each !== undefined);
  const started = await inFolderAlone(
    places.state,
    async () =>
      (ask.fresh ? undefined : await runningOf(usable, places.state)) ??
      startAll(ask, usable, leftOut, signal),
    signal,
  );
  return { ...started, leftOut };
}

/** What already runs, when that is all that can, in these versions. */
async function runningOf(usable: Usable, folder: string): Promise<Omit<Started, "leftOut"> | undefined> {
  const state = await readState(folder);
  const running = new Set(state.servers.map(({ id, program }) => `${id} ${program}`));
  const possible = new Set(usable.map(([{ id }]) => id));
  const isComplete = usable.every(([server]) => {
    const isImpossible = server.after.some((id) => !possible.has(id));
    return isImpossible || running.has(`${server.id} ${programOf(server)}`);
  });
  const environment = isComplete ? await usableEnvironment(state) : undefined;
  return environment === undefined ? undefined : { environment, wasRunning: true };
}

async function startAll(
  { places, machine, fresh, say }: StartAsk,
  usable: Usable,
  leftOut: string[],
  signal: AbortSignal,
): Promise<Omit<Started, "leftOut">> {
  await endAll(places.state);
  if (fresh) await rm(join(places.state, "data"), { recursive: true, force: true });

  const noted: RunningServer[] = [];
  const note = (server: RunningServer): void => {
    noted.push(server);
    writeState(places.state, { servers: noted });
  };
  const ports = await freePorts(usable.length);
  const starts = new Map<ServerId, Promise<ReadyServer | undefined>>();
  for (const [i, [server, programs]] of usable.entries()) {
    const needed = server.after.map((id) => starts.get(id) ?? Promise.resolve(undefined));
    const start = { server, programs, port: ports[i] ?? 0, folder: places.state, machine, needed, note, say };
    starts.set(server.id, unlessFault(startServer(start, signal), leftOut));
  }
  try {
    const ready = (await allOf([...starts.values()])).filter((each) => each !== undefined);
    signal.throwIfAborted();
    const environment = Object.assign(
      { ...LOCAL_IDENTITY },
      ...ready.map((each) => each.environment),
    ) as Environment;
    writeState(places.state, { servers: ready.map(({ running }) => running), environment });
    return { environment, wasRunning: false };
  } catch (error) {
    await endAll(places.state);
    throw error;
  }
}

/** Ends every server noted; none is noted then. @returns what became of each. */
export async function endAll(folder: string): Promise<readonly { server: RunningServer; how: string }[]> {
  const { servers } = await readState(folder);
  // The other way round: S3 ends before what hears its notifications.
  const ended: { server: RunningServer; how: string }[] = [];
  for (const server of servers.toReversed()) ended.push({ server, how: await end(server) });
  await removeState(folder);
  return ended;
}

/** A Fault is noted as its sentence; anything else is thrown. */
async function unlessFault<T>(work: Promise<T>, sentences: string[]): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    sentences.push(error.message);
    return undefined;
  }
}

/** Waits for all, also when one fails. */
async function allOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** Ports that the system calls free, all different. */
async function freePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(
    Array.from({ length: count }, async () => {
      const holder = createServer().listen(0, "127.0.0.1");
      await once(holder, "listening");
      return holder;
    }),
  );
  const ports = holders.map((holder) => (holder.address() as AddressInfo).port);
  for (const holder of holders) {
    holder.close();
    await once(holder, "close");
  }
  return ports;
}
