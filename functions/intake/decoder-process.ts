import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { DecoderMessage } from "./decoder-protocol.ts";
import type { Decoded, DecodeRequest, Refused } from "./decoder-protocol.ts";
import { decoderCrashed, decoderTimeout, decoderUnavailable } from "./intake-words.ts";

/** What one decoder may use before it is killed. */
export type DecoderLimits = {
  /** From the start of the process until it asks for work. */
  startMs: number;
  /** From the request until the header is read … */
  headerMs: number;
  /** … and from there to the answer: so much, and a share for each megapixel. */
  decodeMs: number;
  decodeMsPerMegapixel: number;
  /** Address space, KiB: Node alone reserves over a gigabyte of it. */
  addressKiB: number;
  /** The largest file it may write, KiB. */
  fileKiB: number;
};

export const decoderLimits: DecoderLimits = {
  startMs: 10_000,
  headerMs: 10_000,
  decodeMs: 10_000,
  decodeMsPerMegapixel: 200,
  addressKiB: 2_000_000,
  // 100 megapixels of three 16-bit channels, and the directory.
  fileKiB: 600_000,
};

export const decoderProgram = new URL("decoder.ts", import.meta.url);

const heapMiB = 64;
const stderrCharactersMax = 2_000;

/** A process that decodes one photograph and is never used again. */
export type DecoderProcess = AsyncDisposable & {
  /** It has ended, for whatever reason: it can be asked no more. */
  hasEnded(): boolean;
  /**
   * Asks it to decode; once only. The process is gone when this settles.
   *
   * @throws Fault `decoder_timeout`, `decoder_crashed` (input), `decoder_unavailable` (busy); the reason of the signal.
   */
  ask(request: DecodeRequest, signal?: AbortSignal): Promise<Decoded | Refused>;
};

/** Starts a decoder, which loads its libraries at once and then waits to be asked. */
export function startDecoder(limits: DecoderLimits, program: URL = decoderProgram): DecoderProcess {
  const child = spawnConfined(limits, program);
  const stderr = lastOf(child.stderr);
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? `exit ${code}`));
    child.once("error", (error) => resolve(error.message));
  });
  const ready = new Promise<void>((resolve) => {
    child.once("message", () => resolve());
  });
  let killed: Error | undefined;
  const kill = (reason: Error) => {
    killed ??= reason;
    child.kill("SIGKILL");
  };

  async function answerTo(request: DecodeRequest, deadline: Deadline): Promise<Decoded | Refused> {
    deadline.set(limits.startMs, () => kill(decoderUnavailable("it did not start in time")));
    const early = await Promise.race([ready, ended]);
    if (early !== undefined) throw killed ?? decoderUnavailable(`${early}: ${stderr()}`);

    const expired = () => kill(decoderTimeout());
    deadline.set(limits.headerMs, expired);
    const answer = new Promise<Decoded | Refused>((resolve) => {
      child.on("message", (raw) => {
        const message = DecoderMessage.safeParse(raw);
        if (!message.success) return kill(decoderCrashed(`it said ${JSON.stringify(raw).slice(0, 200)}`));
        if (message.data.kind === "decoded" || message.data.kind === "refused") return resolve(message.data);
        if (message.data.kind === "opened") {
          const megapixels = (message.data.width * message.data.height) / 1e6;
          deadline.set(limits.decodeMs + limits.decodeMsPerMegapixel * megapixels, expired);
        }
      });
    });
    child.send(request, () => {});
    const end = await Promise.race([answer, ended]);
    if (typeof end === "object") return end;
    throw killed ?? (end === "SIGKILL" ? decoderUnavailable(end) : decoderCrashed(`${end}: ${stderr()}`));
  }

  return {
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    async ask(request, signal) {
      const abort = () => kill(signal?.reason as Error);
      signal?.addEventListener("abort", abort, { once: true });
      const deadline = createDeadline();
      try {
        signal?.throwIfAborted();
        return await answerTo(request, deadline);
      } finally {
        deadline.clear();
        signal?.removeEventListener("abort", abort);
        child.kill("SIGKILL");
        await ended;
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/**
 * No environment but what is listed, no open file but two pipes; the limits are set by the shell before Node begins.
 * Where a system knows one of them not (macOS: address space) the others stand.
 */
function spawnConfined(limits: DecoderLimits, program: URL): ChildProcess {
  const script = 'ulimit -c 0; ulimit -f "$1"; ulimit -v "$2" 2>/dev/null; shift 2; exec "$@"';
  const node = [process.execPath, `--max-old-space-size=${heapMiB}`, fileURLToPath(program)];
  // POSIX counts the file limit in blocks of 512 bytes.
  const numbers = [2 * limits.fileKiB, limits.addressKiB].map(String);
  return spawn("/bin/sh", ["-c", script, "decoder", ...numbers, ...node], {
    cwd: "/",
    env: { VIPS_BLOCK_UNTRUSTED: "1", MALLOC_ARENA_MAX: "2", UV_THREADPOOL_SIZE: "2" },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
}

type Deadline = ReturnType<typeof createDeadline>;

/** A timer that is set anew at every step. */
function createDeadline() {
  let timer: NodeJS.Timeout | undefined;
  return {
    set(ms: number, expired: () => void) {
      clearTimeout(timer);
      timer = setTimeout(expired, ms);
    },
    clear: () => clearTimeout(timer),
  };
}

function lastOf(stream: ChildProcess["stderr"]): () => string {
  let text = "";
  stream?.setEncoding("utf8").on("data", (more: string) => {
    text = (text + more).slice(-stderrCharactersMax);
  });
  return () => text;
}
