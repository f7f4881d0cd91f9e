import { fork, type ChildProcess } from "node:child_process";
import { WorkerEvent, type WorkerAbility, type WorkerCommand } from "./protocol.ts";

/**
 * glibc then maps every block from 128 KiB on by itself and gives the memory of a released session back at once; by
 * default it raises that threshold and keeps more than a gigabyte (measured: 42 MB against 1,262 MB).
 */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072" };

/**
 * V8 lets the young part of its heap grow to three times this before it collects; pixels and tensors lie outside of it, so
 * more would only be garbage that is kept. MiB.
 */
const SEMI_SPACE = "--max-semi-space-size=2";

/** One worker process, from start to end. */
export interface Child {
  readonly pid: number | undefined;
  /** What it can do, once it has said so. */
  ability(): WorkerAbility | undefined;
  /** Resolves with what it can do, or undefined when it ends before. */
  readonly ready: Promise<WorkerAbility | undefined>;
  /** Resolves with how it ended, one clause. */
  readonly over: Promise<string>;
  tell(command: WorkerCommand): void;
  /** SIGKILL. */
  kill(): void;
  /** Lets it end by itself. */
  disconnect(): void;
}

/**
 * Starts a worker process. One that speaks nonsense is killed.
 * @param ask.onEvent everything it says, but that it is ready.
 */
export function startChild(ask: {
  modulePath: string;
  env: Readonly<Record<string, string>>;
  onEvent(event: Exclude<WorkerEvent, { type: "ready" }>): void;
  onNonsense(problem: string): void;
}): Child {
  const process: ChildProcess = fork(ask.modulePath, [], {
    env: { ...ask.env, ...ALLOCATOR },
    execArgv: [SEMI_SPACE],
    serialization: "json",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ready = Promise.withResolvers<WorkerAbility | undefined>();
  const over = Promise.withResolvers<string>();
  let ability: WorkerAbility | undefined;

  const end = (how: string): void => {
    ability = undefined;
    ready.resolve(undefined);
    over.resolve(how);
  };
  process.on("message", (message) => {
    const parsed = WorkerEvent.safeParse(message);
    if (!parsed.success) {
      ask.onNonsense(parsed.error.message);
      process.kill("SIGKILL");
    } else if (parsed.data.type === "ready") {
      ability = parsed.data.ability;
      ready.resolve(ability);
    } else ask.onEvent(parsed.data);
  });
  process.once("error", (error) => {
    // Could not be started, or not be spoken to: either way it is of no use any more.
    process.kill("SIGKILL");
    end(error.message);
  });
  process.once("exit", (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));

  return {
    pid: process.pid,
    ability: () => ability,
    ready: ready.promise,
    over: over.promise,
    // A process that cannot be told any more is about to be reported as over.
    tell: (command) => void process.send(command, () => undefined),
    kill: () => void process.kill("SIGKILL"),
    disconnect() {
      if (process.connected) process.disconnect();
    },
  };
}
