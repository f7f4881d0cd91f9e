import { readdirSync, readFileSync } from "node:fs";

/** A process of the stack under test. */
export interface Process {
  readonly pid: number;
  readonly name: string;
}

/** The process and everything below it, as /proc tells it (Linux). */
export function processTree(root: number): Process[] {
  const parents = new Map<number, number>();
  const names = new Map<number, string>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    try {
      const status = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The name stands in brackets and may hold anything; what follows the last bracket is regular.
      const [state, parent] = status.slice(status.lastIndexOf(")") + 2).split(" ");
      if (state === "Z") continue;
      parents.set(pid, Number(parent));
      names.set(pid, readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
    } catch {
      // It ended while we looked.
    }
  }
  const found: Process[] = [];
  const visit = (pid: number): void => {
    if (!names.has(pid)) return;
    found.push({ pid, name: shortName(names.get(pid) ?? "") });
    for (const [child, parent] of parents) if (parent === pid) visit(child);
  };
  visit(root);
  return found;
}

function shortName(command: string): string {
  return /(?:infra\/local|gpu-agent|functions\/intake)\/[\w/-]+\.ts/.exec(command)?.[0] ?? "other";
}
