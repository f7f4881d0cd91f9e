import { readdirSync, readFileSync } from "node:fs";

/** A process of the stack under test. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** Clock ticks since the machine started: who is older. */
  readonly startedAt: number;
}

/** The process and everything below it, as /proc tells it (Linux): parents before children, the older ones first. */
export function processTree(root: number): Process[] {
  const all = new Map<number, Process>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    try {
      const status = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The name stands in brackets and may hold anything; what follows the last bracket is regular.
      const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
      if (fields[0] === "Z") continue;
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      const [parent, startedAt] = [Number(fields[1]), Number(fields[19])];
      all.set(pid, { pid, parent, startedAt, name: shortName(command) });
    } catch {
      // It ended while we looked.
    }
  }
  const visit = (process: Process | undefined): Process[] => {
    if (process === undefined) return [];
    const children = [...all.values()].filter(({ parent }) => parent === process.pid);
    return [process, ...children.toSorted((a, b) => a.startedAt - b.startedAt).flatMap(visit)];
  };
  return visit(all.get(root));
}

function shortName(command: string): string {
  return /(?:infra\/local|gpu-agent|functions\/intake|test)\/[\w/-]+\.ts/.exec(command)?.[0] ?? "other";
}
