import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LogFile } from "./log-file.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Log } from "#shared/log.ts";

/** The agents of this machine: child processes that are started again when they die. */
export interface AgentFleet {
  /** Resolves when every agent has registered and its worker is warm; rejects when one does not come up at all. */
  readonly ready: Promise<void>;
  /** Asks all to drain, and kills what has not ended in time. */
  readonly close: () => Promise<void>;
}

export interface FleetAsk {
  readonly agents: number;
  /** What each of them runs; the agent's own program when absent. */
  readonly program: URL | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: LogFile;
  readonly log: Log;
  /** The process of this agent has been reaped: nothing it held is held any more. */
  readonly onGone: (agentId: string) => Promise<void>;
}

const AGENT_MAIN = new URL("../../gpu-agent/main.ts", import.meta.url);
const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 30_000;
/** An agent that lived this long has earned a quick restart. */
const SETTLED_MS = 10_000;
const DRAIN_MS = 8_000;
/** An agent that died so often before it was ever ready will not come up: whoever waits for it is told. */
const STARTS_MAX = 5;

/** One place for an agent: whoever dies in it is followed by another. */
interface Slot {
  readonly name: number;
  delayMs: number;
  starts: number;
  readonly resolve: () => void;
  readonly reject: (why: Fault) => void;
}

export function startAgentFleet(ask: FleetAsk): AgentFleet {
  const program = fileURLToPath(ask.program ?? AGENT_MAIN);
  const children = new Map<number, ChildProcess>();
  const timers = new Set<NodeJS.Timeout>();
  let closing = false;

  function start(slot: Slot): void {
    const startedAt = performance.now();
    slot.starts += 1;
    const child = fork(program, [], { env: { ...ask.env }, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    children.set(slot.name, child);
    child.stdout?.on("data", ask.logFile.write);
    child.stderr?.on("data", ask.logFile.write);
    let agentId: string | undefined;
    child.on("message", (message: { type?: unknown; agent?: unknown }) => {
      if (typeof message.agent === "string") agentId = message.agent;
      if (message.type === "ready") slot.resolve();
    });
    child.on("error", (error) => ask.log.error("agent_spawn_failed", { slot: slot.name, error }));
    child.once("exit", (code, signal) => {
      children.delete(slot.name);
      ask.log.info("agent_exited", { slot: slot.name, agent: agentId, code, signal });
      if (agentId !== undefined) tellGone(agentId);
      if (!closing) startAgain(slot, performance.now() - startedAt > SETTLED_MS);
    });
  }

  function startAgain(slot: Slot, settled: boolean): void {
    if (slot.starts >= STARTS_MAX) slot.reject(unavailable(ask.logFile.path));
    const wait = settled ? RESTART_MS_MIN : slot.delayMs;
    slot.delayMs = Math.min(RESTART_MS_MAX, wait * 2);
    const timer = setTimeout(() => {
      timers.delete(timer);
      start(slot);
    }, wait);
    timers.add(timer);
  }

  function tellGone(agentId: string): void {
    ask
      .onGone(agentId)
      .catch((error: unknown) => ask.log.error("agent_gone_failed", { agent: agentId, error }));
  }

  const readies = Array.from({ length: ask.agents }, (_, name) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    start({ name, delayMs: RESTART_MS_MIN, starts: 0, resolve, reject });
    return promise;
  });
  const ready = Promise.all(readies).then(() => undefined);
  // Whoever waits for it is told; nobody has to.
  ready.catch(() => undefined);

  return {
    ready,
    async close() {
      closing = true;
      for (const timer of timers) clearTimeout(timer);
      await Promise.all([...children.values()].map(stop));
    },
  };
}

function unavailable(logFile: string): Fault {
  const why = `The agent that runs the models does not start; ${logFile} says why. After mending it, run the command again.`;
  return new Fault("busy", "agent_unavailable", why);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    const kill = setTimeout(() => child.kill("SIGKILL"), DRAIN_MS);
    child.once("exit", () => {
      clearTimeout(kill);
      resolve();
    });
    child.kill("SIGTERM");
  });
}
