import { Worker } from "node:worker_threads";
import { Fault, invariant, type FaultKind } from "#shared/domain/fault.ts";
import type { FeedTensor, Model } from "../stages/stage.ts";
import type { ModelFile, SessionOptions } from "./session.ts";

type Feeds = Parameters<Model["run"]>[0];
type Outputs = Awaited<ReturnType<Model["run"]>>;

/** What a thread is asked; one thing at a time. */
export type ThreadAsk =
  | { readonly type: "open"; readonly file: ModelFile; readonly options: SessionOptions }
  | { readonly type: "run"; readonly feeds: Feeds; readonly isMeasured: boolean }
  | { readonly type: "release" };

/** What it answers: one of these. */
export interface ThreadAnswer {
  readonly opened?: { readonly imageInput: string; readonly imageOutput?: string; readonly bytes: number };
  readonly ran?: { readonly outputs: Outputs; readonly peakBytes?: number };
  readonly released?: true;
  /** Without a code it is a bug. */
  readonly failed?: {
    readonly kind?: FaultKind;
    readonly code?: string;
    readonly message?: string;
    readonly why: string;
  };
}

/** Memory that a run took beside the session, by the size of its image. */
export interface RunPeak {
  readonly tilePixels: number;
  readonly bytes: number;
}

/** A model's session in a thread of its own. */
export interface ThreadSession extends Model {
  /** What opening it took, where nothing else happened meanwhile. */
  readonly bytes?: number;
  /** What its runs took, since it was last asked: the first of each size of tile, where nothing else happened meanwhile. */
  takePeaks(): readonly RunPeak[];
  /** Resolves when the runtime has let go. */
  release(): Promise<void>;
}

interface SessionThreads extends AsyncDisposable {
  /** @throws Fault `model_invalid`, `memory_exhausted`, `device_failed`. */
  open(file: ModelFile, options: SessionOptions): Promise<ThreadSession>;
  /** Starts the thread that the next model will need. */
  prepare(): void;
}

/** A thread's own objects are few: tensors lie outside of its heap. */
const HEAP = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };
const THREAD_MAIN = new URL("./session-thread.ts", import.meta.url);
/** Threads that wait started for the next model: starting one takes longer than loading a small model. */
const SPARE_THREADS = 1;
/** With that of a model just released: where one makes room for the next, no thread is started or ended. */
const SPARE_THREADS_MAX = 2;

/**
 * Opens each model's session in a thread of its own, so that one can be opened while another runs, and the worker hears
 * its supervisor all the time. Tensors are copied on the way in and handed over on the way out.
 */
export function createSessionThreads(): SessionThreads {
  const spare: Thread[] = [];
  const busy = new Set<Thread>();
  /** Opens and runs that are under way: what is measured beside another says nothing. */
  let active = 0;
  let begun = 0;

  const fill = (): void => {
    while (spare.length < SPARE_THREADS) spare.push(startThread());
  };

  /** Does it, and answers whether it was alone. */
  async function alone<T>(work: () => Promise<T>): Promise<{ result: T; isAlone: boolean }> {
    const first = (begun += 1);
    active += 1;
    const isFirst = active === 1;
    try {
      const result = await work();
      return { result, isAlone: isFirst && begun === first };
    } finally {
      active -= 1;
    }
  }

  async function open(file: ModelFile, options: SessionOptions): Promise<ThreadSession> {
    const thread = spare.pop() ?? startThread();
    busy.add(thread);
    fill();
    const giveBack = (): void => {
      busy.delete(thread);
      if (thread.isAlive() && spare.length < SPARE_THREADS_MAX) spare.push(thread);
      else thread.end();
    };
    try {
      const { result, isAlone } = await alone(() => thread.ask({ type: "open", file, options }));
      invariant(result.opened !== undefined, "an open is answered");
      const { bytes, ...names } = result.opened;
      return { entry: file.entry, ...names, ...(isAlone ? { bytes } : {}), ...sessionOf(thread, giveBack) };
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  function sessionOf(thread: Thread, giveBack: () => void): Omit<ThreadSession, "entry" | "imageInput"> {
    const seen = new Set<number>();
    let peaks: RunPeak[] = [];
    return {
      async run(feeds) {
        const tilePixels = pixelsOf(Object.values(feeds));
        const isMeasured = !seen.has(tilePixels);
        const { result, isAlone } = await alone(() => thread.ask({ type: "run", feeds, isMeasured }));
        invariant(result.ran !== undefined, "a run is answered");
        const { outputs, peakBytes } = result.ran;
        seen.add(tilePixels);
        if (isAlone && peakBytes !== undefined) peaks.push({ tilePixels, bytes: peakBytes });
        return outputs;
      },
      takePeaks() {
        const taken = peaks;
        peaks = [];
        return taken;
      },
      async release() {
        try {
          await thread.ask({ type: "release" });
        } finally {
          giveBack();
        }
      },
    };
  }

  return {
    open,
    prepare: fill,
    async [Symbol.asyncDispose]() {
      // A thread that is ended in the middle of a run takes the process with it.
      await Promise.all([...spare.splice(0), ...busy].map((thread) => thread.finish()));
    },
  };
}

/** The image is the largest of what goes in. */
function pixelsOf(feeds: readonly FeedTensor[]): number {
  const sizes = feeds.map(({ dims }) => (dims.length === 4 ? imagePixels(dims) : 1));
  return Math.max(1, ...sizes);
}

/** NCHW or NHWC: of the three sizes after the first, the least is the channels. */
function imagePixels([, ...sizes]: readonly number[]): number {
  const [least = 1, ...sides] = sizes.toSorted((a, b) => a - b);
  return least <= 4 ? sides.reduce((product, side) => product * side, 1) : sizes[1]! * sizes[2]!;
}

interface Thread {
  /** @throws Fault; busy `device_failed` when the thread is lost. */
  ask(ask: ThreadAsk): Promise<ThreadAnswer>;
  isAlive(): boolean;
  end(): void;
  /** Ends it once it has answered. */
  finish(): Promise<void>;
}

function startThread(): Thread {
  const worker = new Worker(THREAD_MAIN, { execArgv: [], resourceLimits: HEAP });
  // It lives only for what it is asked.
  worker.unref();
  let waiting: { resolve(answer: ThreadAnswer): void; reject(error: unknown): void } | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let lost: Fault | undefined;

  const settle = (act: (waiter: NonNullable<typeof waiting>) => void): void => {
    const waiter = waiting;
    waiting = undefined;
    worker.unref();
    if (waiter !== undefined) act(waiter);
  };
  const lose = (cause: unknown): void => {
    lost ??= new Fault("busy", "device_failed", "The thread of a model's session has ended.", { cause });
    settle(({ reject }) => reject(lost));
  };
  worker.on("message", (answer: ThreadAnswer) =>
    settle(({ resolve, reject }) =>
      answer.failed === undefined ? resolve(answer) : reject(errorOf(answer.failed)),
    ),
  );
  worker.on("error", lose);
  worker.on("exit", (code) => lose(new Error(`exit code ${code}`)));

  return {
    ask(ask) {
      invariant(waiting === undefined, "a thread is asked one thing at a time");
      if (lost !== undefined) return Promise.reject(lost);
      const { promise, resolve, reject } = Promise.withResolvers<ThreadAnswer>();
      waiting = { resolve, reject };
      worker.ref();
      worker.postMessage(ask, []);
      last = promise.catch(() => undefined);
      return promise;
    },
    isAlive: () => lost === undefined,
    end: () => void worker.terminate(),
    async finish() {
      await last;
      await worker.terminate();
    },
  };
}

function errorOf({ kind, code, message = "", why }: NonNullable<ThreadAnswer["failed"]>): Error {
  const cause = new Error(why);
  if (kind === undefined || code === undefined) return cause;
  return new Fault(kind, code, message, { cause });
}
