import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";

/** A log of bounded size: past its limit it is moved to `<path>.1`, replacing the one before. */
export interface LogFile {
  readonly path: string;
  /** A few microseconds: the page cache takes it. What the disk does not take is dropped. */
  readonly write: (text: string | Uint8Array) => void;
  readonly close: () => void;
}

const BYTES_MAX = 10 * 1024 * 1024;

export function openLogFile(path: string, bytesMax = BYTES_MAX): LogFile {
  let file = openSync(path, "a");
  let bytes = fstatSync(file).size;

  function rotate(): void {
    closeSync(file);
    renameSync(path, `${path}.1`);
    file = openSync(path, "a");
    bytes = 0;
  }

  return {
    path,
    write(text) {
      try {
        if (bytes > bytesMax) rotate();
        bytes += writeSync(file, Buffer.from(text));
      } catch {
        // A full disk must not end the stack for want of a log line.
      }
    },
    close: () => closeSync(file),
  };
}
