import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
export const RESTORE = at("infra/local/restore/cli.ts");
export const START = at("infra/local/main.ts");

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Command extends AsyncDisposable {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Resolves when the text has been printed; rejects when the command ends without it. */
  readonly printed: (text: string | RegExp) => Promise<string>;
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** A command of the project as a person runs it, in a process group of its own; killed whole at the end. */
export function run(program: string, args: readonly string[], env: Record<string, string> = {}): Command {
  const child = spawn(process.execPath, [program, ...args], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} did not start`);
  let out = "";
  let err = "";
  const waiting = new Set<() => void>();
  const tell = (): void => {
    for (const check of waiting) check();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    tell();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = once(child, "close").then(([code]) => {
    tell();
    return { code: code as number | null, out, err };
  });
  let isOver = false;
  void ended.then(() => (isOver = true));

  return {
    pid,
    ended,
    printed: (text) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = typeof text === "string" ? out.includes(text) : text.test(out);
          if (!found && child.exitCode === null && child.signalCode === null) return;
          waiting.delete(check);
          if (found) resolve(out);
          else reject(new Error(`it ended without printing ${text}: ${out} ${err}`));
        };
        waiting.add(check);
        check();
      }),
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // The whole group has ended.
      }
      if (!isOver) await ended;
    },
  };
}
