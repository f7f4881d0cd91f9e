/** Processes that outlive the command that started them: started, recognised, asked, ended. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { EmulatorState, RunningServer } from "./emulator-state.ts";
import type { Environment } from "./environment.ts";
import { Fault } from "#shared/domain/fault.ts";

const GLANCE_MS = 50;
/** A busy machine takes ten seconds to start a Java program. */
const READY_MS = 60_000;
const ANSWER_MS = 2_000;
const TERM_MS = 8_000;
const KILL_MS = 5_000;

/**
 * Starts a process in a group of its own, its output in `logFile` alone.
 * @returns its pid. @throws Fault busy `emulator_failed`.
 */
export async function launch(ask: {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly logFile: string;
}): Promise<number> {
  const [program = "", ...args] = ask.command;
  await using log = await open(ask.logFile, "w");
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
    env: { ...ask.env },
    cwd: ask.cwd,
  });
  await once(child, "spawn").catch((error: unknown) => {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    const advice = "remove its folder and start again";
    throw new Fault("busy", "emulator_failed", `${program} cannot be started (${code}): ${advice}.`, {
      cause: error,
    });
  });
  child.unref();
  return child.pid ?? 0;
}

/** @throws Fault busy `emulator_failed` when it ends, or does not answer within a minute. */
export async function untilReady(server: RunningServer, logFile: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (!(await answers(server.url))) {
    const isOver = !(await isRunning(server));
    if (isOver || performance.now() > deadline) {
      const last = (await readFile(logFile, "utf8")).trim().split("\n").at(-1) ?? "";
      const what = isOver ? "ended at once" : `did not answer within ${READY_MS / 1_000} s`;
      throw new Fault(
        "busy",
        "emulator_failed",
        `${server.program} ${what} (${last}); its log is ${logFile}.`,
      );
    }
    await sleep(GLANCE_MS, undefined, { signal });
  }
}

/** What a program needs to use the servers noted; undefined unless all of them are there and answer. */
export async function usableEnvironment({
  servers,
  environment,
}: EmulatorState): Promise<Environment | undefined> {
  const states = servers.map(async (server) => (await isRunning(server)) && (await answers(server.url)));
  return (await Promise.all(states)).every(Boolean) ? environment : undefined;
}

/** Whether something speaks HTTP there, whatever it says. */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether that very process is there: the number alone may meanwhile be someone else's. The program's own name is not
 * compared, for it may be a script that runs another.
 */
export async function isRunning({ pid, command }: RunningServer): Promise<boolean> {
  const args = command.slice(1).join(" ");
  return (await commandLine(pid)).endsWith(` ${args}`);
}

/** Asks it to end, insists when it does not. Processes that are not ours are left alone. */
export async function end(server: RunningServer): Promise<"ended" | "killed" | "gone"> {
  if (!(await isRunning(server))) return "gone";
  signalGroup(server.pid, "SIGTERM");
  if (await isOverWithin(server, TERM_MS)) return "ended";
  signalGroup(server.pid, "SIGKILL");
  if (await isOverWithin(server, KILL_MS)) return "killed";
  throw new Fault(
    "busy",
    "emulator_stuck",
    `Process ${server.pid} (${server.program}) cannot be ended; try again.`,
  );
}

async function isOverWithin(server: RunningServer, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms;
  while (await isRunning(server)) {
    if (performance.now() > deadline) return false;
    await sleep(GLANCE_MS);
  }
  return true;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has just ended by itself.
  }
}

/** Arguments joined by spaces; empty when there is no such process, or only its remains. */
async function commandLine(pid: number): Promise<string> {
  try {
    if (process.platform === "linux")
      return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replace(/\0$/, "").replaceAll("\0", " ");
    return (await promisify(execFile)("ps", ["-ww", "-o", "args=", "-p", String(pid)])).stdout.trimEnd();
  } catch {
    return "";
  }
}
