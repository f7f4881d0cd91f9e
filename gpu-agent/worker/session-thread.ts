/**
 * The program of a session thread: it owns at most one model's session, because opening and running one blocks the
 * thread that does it. Everything else of the worker goes on meanwhile, the load of the next model included.
 */
import { parentPort } from "node:worker_threads";
import { Fault, invariant } from "#shared/domain/fault.ts";
import { residentBytes, watchPeak } from "./process-memory.ts";
import { openSession, type Session } from "./session.ts";
import type { ThreadAnswer, ThreadAsk } from "./session-threads.ts";

invariant(parentPort !== null, "this is the program of a thread");
const port = parentPort;
let session: Session | undefined;

port.on("message", (ask: ThreadAsk) => {
  void answer(ask).then(
    ({ transfer = [], ...said }) => port.postMessage(said satisfies ThreadAnswer, transfer),
    (error: unknown) => port.postMessage({ failed: wireOf(error) }),
  );
});

async function answer(ask: ThreadAsk): Promise<ThreadAnswer & { transfer?: ArrayBuffer[] }> {
  switch (ask.type) {
    case "open": {
      invariant(session === undefined, "a thread has one session");
      const before = residentBytes();
      session = await openSession(ask.file, ask.options);
      const { imageInput, imageOutput } = session;
      const bytes = Math.max(0, residentBytes() - before);
      return { opened: { imageInput, ...(imageOutput === undefined ? {} : { imageOutput }), bytes } };
    }
    case "run": {
      invariant(session !== undefined, "what runs was opened");
      const watch = ask.isMeasured ? watchPeak() : undefined;
      const outputs = await session.run(ask.feeds);
      const peakBytes = watch?.peakBytes();
      const transfer = Object.values(outputs).map(({ buffer }) => buffer as ArrayBuffer);
      return { ran: { outputs, ...(peakBytes === undefined ? {} : { peakBytes }) }, transfer };
    }
    case "release":
      await session?.release();
      session = undefined;
      return { released: true };
  }
}

/** Errors lose their class between threads. */
function wireOf(error: unknown): NonNullable<ThreadAnswer["failed"]> {
  if (error instanceof Fault) {
    const { kind, code, message, cause } = error;
    return { kind, code, message, why: cause instanceof Error ? cause.message : "" };
  }
  return { why: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
