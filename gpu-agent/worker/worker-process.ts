import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Lease, Progress } from "#shared/domain/message.ts";
import type { Log } from "#shared/log.ts";
import { createGate } from "../gate.ts";
import { jittered, type Patience } from "../repeat.ts";
import {
  WorkerEvent,
  type RunOutcome,
  type Worker,
  type WorkerAbility,
  type WorkerCommand,
} from "./protocol.ts";

const WORKER_MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const RESPAWN_MS = 250;
const RESPAWN_MS_MAX = 30_000;
/** A worker that lived this long starts the backoff afresh. */
const SETTLED_MS = 30_000;
/** How long a worker that is told to end may take over it. */
const END_MS_MAX = 1_000;

/**
 * glibc then maps every block from 128 KiB on by itself and gives the memory of a released session back at once; by
 * default it raises that threshold and keeps more than a gigabyte (measured: 42 MB against 1,262 MB).
 */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072" };

export interface WorkerProcess extends Worker, AsyncDisposable {
  /** Of the process that runs now; absent between two. */
  pid(): number | undefined;
}

interface ActiveRun {
  readonly number: number;
  readonly onProgress: (progress: Progress) => void;
  readonly end: (outcome: RunOutcome) => void;
}

/**
 * Keeps one worker process alive: starts it at once, so that it is warm when the first stage comes, and again after
 * each death, sooner or later by a backoff from 0.25 s to 30 s.
 *
 *   starting ─ready─► idle ⇄ running
 *      │               └───┬────┘
 *      └──── exit ─► dead ─┘ exit;  dead ─backoff─► starting
 *
 * @param ask.env all that the process gets of an environment: no secret of the supervisor is in it.
 * @param ask.modulePath another program that speaks the same protocol; for tests.
 */
export function createWorkerProcess(
  ask: Patience & { env: Readonly<Record<string, string>>; log: Log; modulePath?: string },
): WorkerProcess {
  const { clock, entropy, log } = ask;
  const warm = createGate();
  const closing = new AbortController();
  let child: ChildProcess | undefined;
  let ability: WorkerAbility | undefined;
  let hot: readonly string[] = [];
  let active: ActiveRun | undefined;
  let runs = 0;

  async function keepAlive(): Promise<void> {
    for (let deaths = 0; !closing.signal.aborted; deaths += 1) {
      const startedAt = clock.now();
      const how = await live();
      if (closing.signal.aborted) return;
      if (clock.now() - startedAt > SETTLED_MS) deaths = 0;
      const pauseMs = jittered(Math.min(RESPAWN_MS_MAX, RESPAWN_MS * 2 ** deaths), entropy);
      log.error("worker-died", { how, respawnMs: Math.round(pauseMs) });
      await clock.sleep(pauseMs, closing.signal).catch(() => undefined);
    }
  }

  /** One process from start to end. Answers how it ended. */
  function live(): Promise<string> {
    return new Promise((resolve) => {
      const process = fork(ask.modulePath ?? WORKER_MAIN, [], {
        env: { ...ask.env, ...ALLOCATOR },
        execArgv: [],
        serialization: "json",
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      });
      let isOver = false;
      const end = (how: string): void => {
        if (isOver) return;
        isOver = true;
        child = undefined;
        ability = undefined;
        hot = [];
        warm.close();
        settle({ type: "died", how });
        resolve(how);
      };
      child = process;
      process.on("message", hear);
      process.once("error", (error) => {
        // Could not be started, or not be spoken to: either way it is of no use any more.
        process.kill("SIGKILL");
        end(error.message);
      });
      process.once("exit", (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
  }

  function hear(message: unknown): void {
    const parsed = WorkerEvent.safeParse(message);
    if (!parsed.success) {
      log.error("worker-unintelligible", { error: parsed.error.message });
      child?.kill("SIGKILL");
      return;
    }
    const event = parsed.data;
    switch (event.type) {
      case "ready":
        ability = event.ability;
        warm.open();
        return;
      case "hot":
        hot = event.models;
        return;
      case "progress":
        if (event.run === active?.number) active.onProgress(event.progress);
        return;
      case "done":
        if (event.run === active?.number) settle({ type: "done", result: event.result });
        return;
      case "failed":
        if (event.run === active?.number) settle({ type: "failed", result: event.result });
        return;
      case "aborted":
        if (event.run === active?.number) settle({ type: "aborted" });
        return;
    }
  }

  function settle(outcome: RunOutcome): void {
    const ended = active;
    active = undefined;
    ended?.end(outcome);
  }

  function tell(command: WorkerCommand): void {
    // A process that cannot be told any more is about to be reported as dead.
    child?.send(command, () => undefined);
  }

  const living = keepAlive();

  return {
    pid: () => child?.pid,
    hot: () => hot,
    kill: () => void child?.kill("SIGKILL"),
    async ready(signal) {
      for (;;) {
        await warm.opened(signal);
        if (ability !== undefined) return ability;
      }
    },
    async run(lease: Lease, onProgress, signal): Promise<RunOutcome> {
      if (signal.aborted) return { type: "aborted" };
      if (ability === undefined) return { type: "died", how: "it was not running" };
      const { promise, resolve } = Promise.withResolvers<RunOutcome>();
      const number = (runs += 1);
      active = { number, onProgress, end: resolve };
      const abort = (): void => tell({ type: "abort", run: number });
      signal.addEventListener("abort", abort, { once: true });
      tell({ type: "run", run: number, lease });
      try {
        return await promise;
      } finally {
        signal.removeEventListener("abort", abort);
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      const last = child;
      if (last?.connected === true) last.disconnect();
      const grace = new AbortController();
      const kill = clock.sleep(END_MS_MAX, grace.signal).then(
        () => last?.kill("SIGKILL"),
        () => undefined,
      );
      await living;
      grace.abort();
      await kill;
    },
  };
}
