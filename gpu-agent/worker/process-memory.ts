import { readFileSync, writeFileSync } from "node:fs";

/** The most memory that this process held during some work, beside what it held before; undefined where nobody can say. */
export interface PeakWatch {
  peakBytes(): number | undefined;
}

/**
 * Begins to watch the resident memory of the whole process (Linux: the high-water mark is reset through
 * /proc/self/clear_refs, proc(5)). Says something about one piece of work only while nothing else allocates.
 */
export function watchPeak(): PeakWatch {
  const before = residentBytes();
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    return { peakBytes: () => undefined };
  }
  return {
    peakBytes() {
      const kibibytes = /^VmHWM:\s+([0-9]+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
      return kibibytes === undefined ? undefined : Math.max(0, Number(kibibytes) * 1_024 - before);
    },
  };
}

/** Resident memory of the whole process. */
export function residentBytes(): number {
  return process.memoryUsage.rss();
}
