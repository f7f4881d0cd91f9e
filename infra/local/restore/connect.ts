import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startStack, type StackOptions } from "../stack.ts";
import { Fault } from "#shared/domain/fault.ts";

/** A stack to talk to: one that already serves this data folder, or one of our own. */
export interface Connection extends AsyncDisposable {
  readonly url: string;
  readonly ready: Promise<void>;
  readonly own: boolean;
}

const TRIES_MAX = 50;
const TRY_AGAIN_MS = 200;

/** @throws Fault conflict `data_busy` when the folder is held but nobody answers. */
export async function connect(options: StackOptions): Promise<Connection> {
  for (let tries = 1; ; tries++) {
    try {
      const stack = await startStack(options);
      return {
        url: stack.url,
        ready: stack.ready,
        own: true,
        [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
      };
    } catch (error) {
      const busy = error instanceof Fault && error.code === "data_busy";
      if (!busy) throw error;
      const url = await runningUrl(options.dataDir);
      if (url !== undefined)
        return { url, ready: Promise.resolve(), own: false, [Symbol.asyncDispose]: async () => undefined };
      if (tries >= TRIES_MAX) throw error;
      await sleep(TRY_AGAIN_MS);
    }
  }
}

async function runningUrl(dataDir: string): Promise<string | undefined> {
  try {
    const { url } = JSON.parse(await readFile(join(dataDir, "address.json"), "utf8")) as { url: string };
    const health = await fetch(new URL("/health", url), { signal: AbortSignal.timeout(2_000) });
    return health.ok ? url : undefined;
  } catch {
    return undefined;
  }
}
