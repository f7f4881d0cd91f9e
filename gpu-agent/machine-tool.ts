import { execFile } from "node:child_process";

/**
 * What came of asking a program of this machine. `overdue`: it was told to end and is waited for no longer;
 * `excessive`: it said more than may be read.
 */
export type ToolAnswer =
  | { readonly kind: "ended"; readonly code: number; readonly out: string; readonly err: string }
  | { readonly kind: "absent" | "overdue" | "excessive" };

/** Asks a program. `args` never pass through a shell. @throws the signal's reason. */
export type RunTool = (tool: string, args: readonly string[], signal: AbortSignal) => Promise<ToolAnswer>;

/** A healthy tool answers within a second; one that asks a broken driver may never. */
const TOOL_MS_MAX = 10_000;
const OUTPUT_BYTES_MAX = 1 << 20;

/** The asking of programs of this machine, each with a limit of time and of output (bytes per stream). */
export function toolRunner({ ms = TOOL_MS_MAX, bytesMax = OUTPUT_BYTES_MAX } = {}): RunTool {
  return async (tool, args, signal) => {
    signal.throwIfAborted();
    const answer = Promise.withResolvers<ToolAnswer>();
    const child = execFile(tool, args, { maxBuffer: bytesMax, killSignal: "SIGKILL" }, (error, out, err) =>
      answer.resolve(answerOf(error, { out, err })),
    );
    // A process that hangs inside a driver outlives even SIGKILL: nobody waits for it, and it keeps nobody alive.
    const abandon = (): void => {
      child.kill("SIGKILL");
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
    };
    const timer = setTimeout(() => {
      abandon();
      answer.resolve({ kind: "overdue" });
    }, ms);
    const stop = (): void => {
      abandon();
      answer.reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  };
}

function answerOf(error: Error | null, said: { out: string; err: string }): ToolAnswer {
  if (error === null) return { kind: "ended", code: 0, ...said };
  const code: unknown = "code" in error ? error.code : undefined;
  if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return { kind: "excessive" };
  if (typeof code === "number") return { kind: "ended", code, ...said };
  if (code === "ENOENT" || code === "EACCES") return { kind: "absent" };
  // Ended by a signal, or not started for want of memory or of descriptors: 255, as nvidia-smi says "other".
  return { kind: "ended", code: 255, out: said.out, err: said.err === "" ? error.message : said.err };
}
