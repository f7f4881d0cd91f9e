import { readFileSync } from "node:fs";
import { processTree } from "../chaos/process-tree.ts";

/** Memory of a process tree at one moment, in bytes. */
export interface MemorySample {
  /** Anonymous and shared memory of all processes: what nobody else can use. */
  readonly own: number;
  /** Mapped files (programs, libraries, models): the system may take it back at any time. */
  readonly mapped: number;
  /** `own`, by the program each process runs. */
  readonly byProgram: ReadonlyMap<string, number>;
}

export interface MemorySampler extends Disposable {
  /** The sample with the largest `own` since the last call, and starts afresh. */
  takePeak(): MemorySample;
  /** The sum at this moment. */
  now(): MemorySample;
  /**
   * A bound from above that needs no samples: the kernel's own high-water marks of the processes that live, summed over
   * their whole lives as if all had come at once.
   */
  bound(): number;
}

const SAMPLE_MS = 5;
/** A process that lives for less than this may go unseen. */
const LOOK_FOR_PROCESSES_MS = 50;

/** Watches `root` and everything below it, by /proc/<pid>/status (Linux). Sampling takes well below a millisecond. */
export function startMemorySampler(root: number): MemorySampler {
  let pids: number[] = [];
  let lookedAt = -Infinity;
  let peak = nothing;

  const sample = (): MemorySample => {
    const now = performance.now();
    if (now - lookedAt > LOOK_FOR_PROCESSES_MS) {
      pids = processTree(root).map(({ pid }) => pid);
      lookedAt = now;
    }
    const taken = sum(pids);
    if (taken.own > peak.own) peak = taken;
    return taken;
  };
  const timer = setInterval(sample, SAMPLE_MS);
  return {
    takePeak() {
      sample();
      const taken = peak;
      peak = nothing;
      return taken;
    },
    now: sample,
    bound: () => pids.reduce((total, pid) => total + highWater(pid), 0),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

const nothing: MemorySample = { own: 0, mapped: 0, byProgram: new Map() };

function sum(pids: readonly number[]): MemorySample {
  let own = 0;
  let mapped = 0;
  const byProgram = new Map<string, number>();
  for (const pid of pids) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      const ofProcess = bytesOf(status, "RssAnon") + bytesOf(status, "RssShmem");
      own += ofProcess;
      mapped += bytesOf(status, "RssFile");
      const name = programOf(pid);
      byProgram.set(name, (byProgram.get(name) ?? 0) + ofProcess);
    } catch {
      // It ended while we looked.
    }
  }
  return { own, mapped, byProgram };
}

/** The most that was resident at once, less the files that are mapped now. */
function highWater(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return bytesOf(status, "VmHWM") - bytesOf(status, "RssFile");
  } catch {
    return 0;
  }
}

/** A line of the form `RssAnon:    1234 kB`; absent for a process that is ending. */
function bytesOf(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
}

/** The script of a Node process, without its folder. */
function programOf(pid: number): string {
  return /([\w-]+)\.ts\b/.exec(readFileSync(`/proc/${pid}/cmdline`, "latin1"))?.[1] ?? "starting";
}
