import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { RunningServer } from "./emulator-state.ts";
import { FOREIGN_IDENTITY, LOCAL_IDENTITY, type Environment } from "./environment.ts";
import { end, launch, untilReady } from "./server-process.ts";
import { programOf, type Server } from "./server.ts";
import type { Machine } from "./tool.ts";

/** A server that answers and holds what a local stack needs. */
export interface ReadyServer {
  readonly running: RunningServer;
  /** How a program finds it. */
  readonly environment: Environment;
}

export interface ServerStart {
  readonly server: Server;
  readonly programs: string;
  readonly port: number;
  /** Of all servers' state. */
  readonly folder: string;
  readonly machine: Machine;
  /** Those it comes after; undefined where one does not run. */
  readonly needed: readonly Promise<ReadyServer | undefined>[];
  /** Told as soon as there is a process. */
  readonly note: (running: RunningServer) => void;
  readonly say: (line: string) => void;
}

/**
 * Starts one server and waits until it is of use.
 * @returns undefined where it makes no sense without one that does not run. @throws Fault busy `emulator_failed`; then
 * its process has ended.
 */
export async function startServer(ask: ServerStart, signal: AbortSignal): Promise<ReadyServer | undefined> {
  const { server, programs, port, folder, machine } = ask;
  const needed = (await Promise.all(ask.needed)).filter((each) => each !== undefined);
  signal.throwIfAborted();
  const data = join(folder, "data", server.id);
  const logs = join(folder, "logs");
  await mkdir(data, { recursive: true });
  await mkdir(logs, { recursive: true });
  const command = await server.command({
    programs,
    data,
    port,
    urls: Object.fromEntries(needed.map(({ running }) => [running.id, running.url])),
    environment: Object.assign({}, ...needed.map(({ environment }) => environment)) as Environment,
  });
  if (command === undefined) return undefined;

  const since = performance.now();
  const logFile = join(logs, `${server.id}.log`);
  const env: Record<string, string | undefined> = { ...machine.env, ...LOCAL_IDENTITY };
  for (const name of FOREIGN_IDENTITY) delete env[name];
  const running: RunningServer = {
    id: server.id,
    program: programOf(server),
    url: `http://127.0.0.1:${port}`,
    pid: await launch({ command, env, cwd: data, logFile }),
    command: [...command],
    startedAt: Date.now(),
  };
  ask.note(running);
  try {
    await untilReady(running, logFile, signal);
    const environment = await server.prepare(running.url);
    const seconds = ((performance.now() - since) / 1_000).toFixed(1);
    ask.say(`${server.standsFor}: ${running.program} at ${running.url} after ${seconds} s`);
    return { running, environment };
  } catch (error) {
    await end(running);
    throw error;
  }
}
