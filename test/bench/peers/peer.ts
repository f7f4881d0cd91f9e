import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { cpuSeconds } from "./cpu-seconds.ts";
import { PeerAnswer, PeerHello, type PeerRequest } from "./peer-protocol.ts";

/** What one run took. */
export interface PeerRun {
  /** Wall clock, as the peer measured it. */
  readonly seconds: number;
  /** User and system time of the peer's process and everything below it. */
  readonly cpuSeconds: number;
}

/** A contender: a process that stays, with its model loaded, and takes one photograph at a time. */
export interface Peer extends AsyncDisposable {
  /** What it is, with versions. */
  readonly name: string;
  readonly pid: number;
  /** @throws Error in the peer's words, or that it ended. */
  run(request: PeerRequest): Promise<PeerRun>;
}

/** A peer that takes longer than this for one photograph is killed. */
const RUN_MS_MAX = 2 * 60 * 60_000;
const END_MS_MAX = 30_000;

/** Starts a peer's program, which speaks peer-protocol.ts. @throws Error when it ends before it is ready. */
export async function startPeer(command: readonly [string, ...string[]]): Promise<Peer> {
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: ["pipe", "ignore", "inherit", "pipe"] });
  const { stdin, pid } = child;
  const kill = (): void => void child.kill("SIGKILL");
  // Whoever measures may be stopped while the peer computes and hears nothing.
  process.prependOnceListener("exit", kill);
  const exited = once(child, "exit");
  // A failed start shows as the end of its answers.
  exited.catch(() => undefined);
  const lines = createInterface({ input: child.stdio[3] as Readable })[Symbol.asyncIterator]();
  const hear = async (): Promise<unknown> => {
    const overdue = setTimeout(kill, RUN_MS_MAX);
    const { value, done } = await lines.next();
    clearTimeout(overdue);
    if (done === true) throw new Error(`${program} ended without an answer`);
    return JSON.parse(value);
  };
  const { name } = PeerHello.parse(await hear());
  if (stdin === null || pid === undefined) throw new Error(`${program} could not be started`);

  return {
    name,
    pid,
    async run(request) {
      const before = cpuSeconds(pid);
      stdin.write(`${JSON.stringify(request)}\n`);
      const answer = PeerAnswer.parse(await hear());
      if ("error" in answer) throw new Error(answer.error);
      return { seconds: answer.seconds, cpuSeconds: cpuSeconds(pid) - before };
    },
    async [Symbol.asyncDispose]() {
      const overdue = setTimeout(kill, END_MS_MAX);
      stdin.end();
      await exited;
      clearTimeout(overdue);
      process.off("exit", kill);
    },
  };
}
