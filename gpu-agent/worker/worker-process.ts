import { fileURLToPath } from "node:url";
import { Fault } from "#shared/domain/fault.ts";
import type { Lease, Progress } from "#shared/domain/message.ts";
import type { Log } from "#shared/log.ts";
import { createGate } from "../gate.ts";
import { jittered, type Patience } from "../repeat.ts";
import { startChild, type Child } from "./child.ts";
import {
  faultOf,
  wireOf,
  type Grant,
  type ModelAnswer,
  type ModelCommand,
  type RunOutcome,
  type UseEvent,
  type WorkerAbility,
  type WorkerEvent,
} from "./protocol.ts";

const WORKER_MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const RESPAWN_MS = 250;
const RESPAWN_MS_MAX = 30_000;
/** A worker that lived this long starts the backoff afresh. */
const SETTLED_MS = 30_000;
/** How long a worker that is told to end may take over it. */
const END_MS_MAX = 1_000;

/** What its owner wants to hear of a worker, whichever process it is. */
export interface WorkerListener {
  onUse(event: UseEvent): void;
  /** The process is gone, and with it every session and use. */
  onDeath(how: string): void;
}

/** A worker that is always there: a process that may be killed at any moment, and another that waits to replace it. */
export interface WorkerProcess extends AsyncDisposable {
  /** Resolves when a process is warm; one that died is replaced meanwhile. Rejects only when aborted. */
  ready(signal: AbortSignal): Promise<WorkerAbility>;
  /** Runs a stage in the process that is ready. Never rejects. Aborting asks the worker to stop between tiles. */
  run(lease: Lease, onProgress: (progress: Progress) => void, signal: AbortSignal): Promise<RunOutcome>;
  /** @throws Fault what the worker answers; busy `device_failed` when it dies before; the signal's reason. */
  command(command: ModelCommand, signal: AbortSignal): Promise<ModelAnswer>;
  grant(grant: Grant): void;
  deny(use: number, error: unknown): void;
  /** Ends the process at once (SIGKILL). */
  kill(): void;
  /** Counts the processes so far: what was open in an earlier one is gone. */
  generation(): number;
  /** Ends that process, if it is still the current one, and resolves when the next is ready. */
  replace(generation: number, signal: AbortSignal): Promise<void>;
  /** Of the process that runs now; absent between two. */
  pid(): number | undefined;
  listen(listener: WorkerListener): void;
}

interface ActiveRun {
  readonly number: number;
  readonly onProgress: (progress: Progress) => void;
  readonly end: (outcome: RunOutcome) => void;
}

interface Call {
  resolve(answer: ModelAnswer): void;
  reject(error: unknown): void;
}

/**
 * Keeps one worker process alive and, when `hasSpare`, another one started beside it: the restart, half a second and
 * more, is then hidden. Without one at hand a dead process is replaced after a backoff from 0.25 s to 30 s.
 *
 *   starting ─ready─► current ─dies, is replaced─► over
 *      └──────ready─► spare ──────────────► current
 *
 * @param ask.env all that the process gets of an environment: no secret of the supervisor is in it.
 * @param ask.modulePath another program that speaks the same protocol; for tests.
 */
export function createWorkerProcess(
  ask: Patience & {
    env: Readonly<Record<string, string>>;
    log: Log;
    hasSpare?: boolean;
    modulePath?: string;
  },
): WorkerProcess {
  const { clock, entropy, log, hasSpare = false } = ask;
  const warm = createGate();
  const closing = new AbortController();
  const calls = new Map<number, Call>();
  let current: Child | undefined;
  let generation = 0;
  let spare: Child | undefined;
  let active: ActiveRun | undefined;
  let numbers = 0;
  let listener: WorkerListener | undefined;

  function start(): Child {
    const child: Child = startChild({
      modulePath: ask.modulePath ?? WORKER_MAIN,
      env: ask.env,
      onEvent: (event) => {
        if (child === current) hear(event);
      },
      onNonsense: (error) => log.error("worker-unintelligible", { error }),
    });
    return child;
  }

  async function keepAlive(): Promise<void> {
    for (let deaths = 0; !closing.signal.aborted; deaths += 1) {
      const startedAt = clock.now();
      const how = await live();
      if (closing.signal.aborted) return;
      if (clock.now() - startedAt > SETTLED_MS) deaths = 0;
      if (spare?.ability() !== undefined) {
        log.error("worker-died", { how, respawnMs: 0 });
        continue;
      }
      const pauseMs = jittered(Math.min(RESPAWN_MS_MAX, RESPAWN_MS * 2 ** deaths), entropy);
      log.error("worker-died", { how, respawnMs: Math.round(pauseMs) });
      await clock.sleep(pauseMs, closing.signal).catch(() => undefined);
    }
  }

  /** One process as the current one, until its end. Answers how it ended. */
  async function live(): Promise<string> {
    const child = spare ?? start();
    spare = undefined;
    current = child;
    generation += 1;
    if ((await child.ready) !== undefined) {
      warm.open();
      if (hasSpare) keepSpare();
    }
    const how = await child.over;
    current = undefined;
    warm.close();
    const lost = new Fault("busy", "device_failed", `The worker has ended: ${how}.`);
    for (const { reject } of calls.values()) reject(lost);
    calls.clear();
    settle({ type: "died", how });
    listener?.onDeath(how);
    return how;
  }

  function keepSpare(): void {
    const child = start();
    spare = child;
    void forgetSpare(child);
  }

  async function forgetSpare(child: Child): Promise<void> {
    const how = await child.over;
    if (spare !== child || closing.signal.aborted) return;
    log.error("spare-worker-died", { how });
    spare = undefined;
  }

  function hear(event: Exclude<WorkerEvent, { type: "ready" }>): void {
    switch (event.type) {
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
      case "answered":
        return calls.get(event.call)?.resolve(event);
      case "refused":
        return calls.get(event.call)?.reject(faultOf(event.fault));
      case "take":
      case "exhausted":
      case "returned":
        return listener?.onUse(event);
    }
  }

  function settle(outcome: RunOutcome): void {
    const ended = active;
    active = undefined;
    ended?.end(outcome);
  }

  async function ready(signal: AbortSignal): Promise<WorkerAbility> {
    for (;;) {
      await warm.opened(signal);
      const ability = current?.ability();
      if (ability !== undefined) return ability;
    }
  }

  const living = keepAlive();

  return {
    ready,
    pid: () => current?.pid,
    kill: () => current?.kill(),
    listen(wanted) {
      listener = wanted;
    },
    grant: (grant) => current?.tell({ type: "granted", ...grant }),
    deny: (use, error) => current?.tell({ type: "denied", use, fault: wireOf(error) }),
    async run(lease: Lease, onProgress, signal): Promise<RunOutcome> {
      if (signal.aborted) return { type: "aborted" };
      const child = current;
      if (child?.ability() === undefined) return { type: "died", how: "it was not running" };
      const { promise, resolve } = Promise.withResolvers<RunOutcome>();
      const number = (numbers += 1);
      active = { number, onProgress, end: resolve };
      const abort = (): void => child.tell({ type: "abort", run: number });
      signal.addEventListener("abort", abort, { once: true });
      child.tell({ type: "run", run: number, lease });
      try {
        return await promise;
      } finally {
        signal.removeEventListener("abort", abort);
      }
    },
    async command(command, signal) {
      signal.throwIfAborted();
      const child = current;
      if (child?.ability() === undefined)
        throw new Fault("busy", "device_failed", "The worker is not running.");
      const { promise, resolve, reject } = Promise.withResolvers<ModelAnswer>();
      const call = (numbers += 1);
      const giveUp = (): void => reject(signal.reason);
      calls.set(call, { resolve, reject });
      signal.addEventListener("abort", giveUp, { once: true });
      try {
        child.tell({ type: command.type, call, model: command.model });
        return await promise;
      } finally {
        calls.delete(call);
        signal.removeEventListener("abort", giveUp);
      }
    },
    generation: () => generation,
    async replace(which, signal) {
      const old = which === generation ? current : undefined;
      old?.kill();
      await old?.over;
      await ready(signal);
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      const last = [current, spare].filter((child) => child !== undefined);
      for (const child of last) child.disconnect();
      const grace = new AbortController();
      const kill = clock.sleep(END_MS_MAX, grace.signal).then(
        () => last.forEach((child) => child.kill()),
        () => undefined,
      );
      await Promise.all([living, ...last.map(({ over }) => over)]);
      grace.abort();
      await kill;
    },
  };
}
