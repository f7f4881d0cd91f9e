import { fork, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Log } from "#shared/log.ts";

/** The agents of this machine: child processes that are started again when they die. */
export interface AgentFleet {
  /** Resolves when every agent has registered and its worker is warm. */
  readonly ready: Promise<void>;
  readonly pids: () => number[];
  /** Asks all to drain, and kills what has not ended in time. */
  readonly close: () => Promise<void>;
}

export interface FleetAsk {
  readonly agents: number;
  /** What each of them runs; the agent's own program when absent. */
  readonly program: URL | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
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

export function startAgentFleet(ask: FleetAsk): AgentFleet {
  const program = fileURLToPath(ask.program ?? AGENT_MAIN);
  const children = new Map<number, ChildProcess>();
  const timers = new Set<NodeJS.Timeout>();
  let closing = false;
  const readies: Promise<void>[] = [];

  function start(slot: number, delayMs: number, onReady: () => void): void {
    const startedAt = performance.now();
    const child = fork(program, [], { env: { ...ask.env }, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    children.set(slot, child);
    const sink = createWriteStream(ask.logFile, { flags: "a" });
    child.stdout?.pipe(sink, { end: false });
    child.stderr?.pipe(sink, { end: false });
    let agentId: string | undefined;
    child.on("message", (message: { type?: unknown; agent?: unknown }) => {
      if (typeof message.agent === "string") agentId = message.agent;
      if (message.type === "ready") onReady();
    });
    child.on("error", (error) => ask.log.error("agent_spawn_failed", { slot, error }));
    child.once("exit", (code, signal) => {
      children.delete(slot);
      sink.end();
      ask.log.info("agent_exited", { slot, agent: agentId, code, signal });
      if (agentId !== undefined) {
        ask
          .onGone(agentId)
          .catch((error: unknown) => ask.log.error("agent_gone_failed", { agent: agentId, error }));
      }
      if (closing) return;
      const settled = performance.now() - startedAt > SETTLED_MS;
      const wait = settled ? RESTART_MS_MIN : delayMs;
      const timer = setTimeout(() => {
        timers.delete(timer);
        start(slot, Math.min(RESTART_MS_MAX, wait * 2), onReady);
      }, wait);
      timers.add(timer);
    });
  }

  for (let slot = 0; slot < ask.agents; slot++) {
    readies.push(new Promise((resolve) => start(slot, RESTART_MS_MIN, resolve)));
  }

  return {
    ready: Promise.all(readies).then(() => undefined),
    pids: () => [...children.values()].flatMap((child) => child.pid ?? []),
    async close() {
      closing = true;
      for (const timer of timers) clearTimeout(timer);
      await Promise.all([...children.values()].map(stop));
    },
  };
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
