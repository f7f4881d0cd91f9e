import type { Loop } from "./virtual-time.ts";

/** The story of a run, and a digest of it: the same seed tells the same story. */
export interface Trace {
  note(line: string): void;
  /** Hex; of everything noted so far. */
  hash(): string;
}

/** @param write takes readable lines; without it only the digest is kept. */
export function createTrace(loop: Loop, write?: (line: string) => void): Trace {
  const startMs = loop.now();
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  let lines = 0;
  return {
    note(line) {
      lines += 1;
      const at = loop.now() - startMs;
      a = Math.imul(a ^ Math.floor(at), 0x01000193);
      for (let i = 0; i < line.length; i++) {
        a = Math.imul(a ^ line.charCodeAt(i), 0x01000193);
        b = Math.imul((b ^ a) + lines, 0x85ebca6b);
      }
      write?.(`${(at / 1000).toFixed(3).padStart(10)} s  ${line}`);
    },
    hash: () => (a >>> 0).toString(16).padStart(8, "0") + (b >>> 0).toString(16).padStart(8, "0"),
  };
}
