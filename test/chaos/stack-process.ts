import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { processTree, type Process } from "./process-tree.ts";

/** The local stack as a process of its own that is started again whenever it ends. */
export interface StackProcess extends AsyncDisposable {
  /** How often it had to be started again. */
  readonly restarts: number;
  /** The stack itself, and below it everything it started; empty between two starts. */
  tree(): Process[];
  /** Kills one process of the whole tree with SIGKILL. Answers what it was, of how many. */
  killOne(random: () => number): string;
}

/** Whoever was killed may hold the port or the folder for an instant. */
const RESTART_MS = 100;

/** @param ask.program of the stack. */
export function startStackProcess(ask: {
  program: URL;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
}): StackProcess {
  let stack: ChildProcess | undefined;
  let restarts = -1;
  let isOver = false;

  function start(): void {
    if (isOver) return;
    restarts += 1;
    const child = spawn(process.execPath, [ask.program.pathname, ...ask.args], {
      // The channel tells the stack when whoever started it is gone.
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, ...ask.env },
    });
    stack = child;
    child.once("exit", () => {
      stack = undefined;
      setTimeout(start, RESTART_MS);
    });
  }

  const tree = (): Process[] => (stack?.pid === undefined ? [] : processTree(stack.pid));
  start();
  return {
    get restarts() {
      return restarts;
    },
    tree,
    killOne(random) {
      const processes = tree();
      const victim = processes[Math.floor(random() * processes.length)];
      if (victim === undefined) return "nobody: it is just starting";
      process.kill(victim.pid, "SIGKILL");
      return `${victim.name} (${processes.length} processes)`;
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      const last = stack;
      if (last === undefined) return;
      const exited = once(last, "exit");
      last.kill("SIGTERM");
      await exited;
    },
  };
}
