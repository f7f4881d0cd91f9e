import { readFileSync } from "node:fs";
import { processTree } from "../../chaos/process-tree.ts";

/** USER_HZ: the unit of /proc, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Of /proc/<pid>/stat, counted from the field after the program's name: utime, stime, cutime, cstime. */
const TIMES = { from: 11, to: 15 };

/**
 * User and system time that a process and everything below it have taken so far, those included that have ended and
 * were waited for (Linux). What other processes of a busy machine take does not show in it.
 */
export function cpuSeconds(root: number): number {
  return processTree(root).reduce((sum, { pid }) => sum + ticksOf(pid), 0) / TICKS_PER_SECOND;
}

function ticksOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name stands in brackets and may hold anything; what follows the last bracket is regular.
    const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
    return fields.slice(TIMES.from, TIMES.to).reduce((sum, ticks) => sum + Number(ticks), 0);
  } catch {
    // It ended while we looked, and counts with its parent from now on.
    return 0;
  }
}
