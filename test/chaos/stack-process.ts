import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { processTree } from "./process-tree.ts";

/** The local stack as a process of its own that is killed and started again. */
export interface StackProcess extends AsyncDisposable {
  /** How often it had to be started again because it was the victim. */
  readonly restarts: number;
  /** Kills one process of the whole tree with SIGKILL. Answers what it was, of how many. */
  killOne(random: () => number): Promise<string>;
}

const MAIN = fileURLToPath(new URL("../../infra/local/main.ts", import.meta.url));

/** @param ask.args beside the port and the data folder. */
export function startStackProcess(ask: {
  port: string;
  data: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
}): StackProcess {
  let stack: ChildProcess | undefined;
  let restarts = 0;

  function start(): ChildProcess {
    const child = spawn(process.execPath, [MAIN, "--port", ask.port, "--data", ask.data, ...ask.args], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...ask.env },
    });
    stack = child;
    child.once("exit", () => (stack = undefined));
    return child;
  }

  start();
  return {
    get restarts() {
      return restarts;
    },
    async killOne(random) {
      // It may have ended by itself: the process before it still held the folder for an instant.
      const root = stack ?? start();
      if (root.pid === undefined) throw new Error("the stack does not start");
      const tree = processTree(root.pid);
      const victim = tree[Math.floor(random() * tree.length)];
      if (victim === undefined) return "nobody: it is just starting";
      const exited = victim.pid === root.pid ? once(root, "exit") : undefined;
      process.kill(victim.pid, "SIGKILL");
      if (exited !== undefined) {
        await exited;
        restarts += 1;
        start();
      }
      return `${victim.name} (${tree.length} processes)`;
    },
    async [Symbol.asyncDispose]() {
      const last = stack;
      if (last === undefined) return;
      const exited = once(last, "exit");
      last.kill("SIGTERM");
      await exited;
    },
  };
}
