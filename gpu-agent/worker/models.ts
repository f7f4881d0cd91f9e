import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { findModel, isBuiltIn } from "#shared/domain/catalogue.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { WEIGHTS_FILE } from "../models/prepared-model.ts";
import { createBuiltIn } from "../stages/built-in.ts";
import type { Model, ModelUse, StageModels } from "../stages/stage.ts";
import type { PageCache } from "../vram/page-cache.ts";
import type { ModelSource } from "./model-source.ts";
import type { Grant, ModelAnswer, ModelCommand, UseEvent } from "./protocol.ts";
import type { ModelFile, SessionOptions } from "./session.ts";
import { createSessionThreads, type ThreadSession } from "./session-threads.ts";

interface ModelsOptions {
  readonly source: Pick<ModelSource, "ids" | "locate">;
  readonly pages: Pick<PageCache, "readIn">;
  /** How sessions are opened. */
  readonly session: Required<SessionOptions>;
  /** Monotonic, milliseconds. */
  readonly now: () => number;
  /** Asks the supervisor, whose pool decides; it answers by `granted` or `denied`. */
  readonly tell: (event: UseEvent) => void;
}

/** The models of one run, and what was spent in them. */
export interface MeteredModels extends StageModels {
  readonly spent: { runMs: number; loadMs: number };
}

/** The sessions of this process: opened and released as the supervisor's pool says, lent to the stage that runs. */
interface WorkerModels extends AsyncDisposable {
  /** For one run. */
  meter(): MeteredModels;
  /** @throws Fault, as the model's file, the runtime and the disk have it. */
  obey(command: ModelCommand): Promise<ModelAnswer>;
  granted(grant: Grant): void;
  denied(use: number, fault: Fault): void;
}

/** A stage that waits for an answer of the supervisor. */
interface Asked {
  resolve(grant: Grant): void;
  reject(error: unknown): void;
}

const never = new AbortController().signal;

export function createModels(options: ModelsOptions): WorkerModels {
  const { source, pages, now, tell } = options;
  const threads = createSessionThreads();
  const sessions = new Map<string, ThreadSession>();
  const asked = new Map<number, Asked>();
  let uses = 0;

  function entryOf(id: string): ModelEntry {
    const entry = source.ids.includes(id) ? findModel(id) : undefined;
    if (entry !== undefined) return entry;
    throw new Fault("missing", "model_missing", `The model ${id} is not here; pull it.`);
  }

  function sessionOf(id: string): ThreadSession {
    const session = sessions.get(id);
    invariant(session !== undefined, `the model ${id} is open while it is lent`);
    return session;
  }

  async function ask(event: Extract<UseEvent, { use: number }>, signal: AbortSignal): Promise<Grant> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Grant>();
    const giveUp = (): void => reject(signal.reason);
    asked.set(event.use, { resolve, reject });
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      tell(event);
      return await promise;
    } finally {
      asked.delete(event.use);
      signal.removeEventListener("abort", giveUp);
    }
  }

  async function openOnProcessor(id: string): Promise<ThreadSession> {
    return await threads.open(await source.locate(id), { ...options.session, provider: "cpu" });
  }

  async function lend(id: string, signal: AbortSignal): Promise<ModelUse> {
    const use = (uses += 1);
    /** Beside the pool's: what the device has no memory for. */
    let own: ThreadSession | undefined;
    let grant: Grant;

    const giveBack = async (): Promise<void> => {
      const peaks = sessions.get(id)?.takePeaks() ?? [];
      await own?.release();
      tell({ type: "returned", use, peaks: [...peaks] });
    };
    const follow = async (event: Extract<UseEvent, { use: number }>, signal: AbortSignal): Promise<void> => {
      grant = await ask(event, signal);
      if (grant.isOnProcessor) own ??= await openOnProcessor(id);
    };

    try {
      await follow({ type: "take", use, model: id }, signal);
    } catch (error) {
      await giveBack();
      throw error;
    }
    return {
      get model() {
        return own ?? sessionOf(id);
      },
      get tilePixels() {
        return grant.tilePixels;
      },
      lackMemory: (tilePixels, signal) => follow({ type: "exhausted", use, tilePixels }, signal),
      [Symbol.asyncDispose]: giveBack,
    };
  }

  return {
    meter() {
      const spent = { runMs: 0, loadMs: 0 };
      threads.prepare();

      function metered(model: Model): Model {
        const { entry, imageInput, imageOutput } = model;
        return {
          entry,
          imageInput,
          ...(imageOutput === undefined ? {} : { imageOutput }),
          async run(feeds) {
            const since = now();
            try {
              return await model.run(feeds);
            } finally {
              spent.runMs += now() - since;
            }
          },
        };
      }

      return {
        spent,
        ids: source.ids,
        async use(id, signal) {
          const entry = entryOf(id);
          const since = now();
          const lent = isBuiltIn(entry) ? builtIn(entry) : await lend(id, signal);
          spent.loadMs += now() - since;
          return {
            get model() {
              return metered(lent.model);
            },
            get tilePixels() {
              return lent.tilePixels;
            },
            lackMemory: (tilePixels, signal) => lent.lackMemory(tilePixels, signal),
            [Symbol.asyncDispose]: () => lent[Symbol.asyncDispose](),
          };
        },
      };
    },
    async obey({ type, model: id }) {
      entryOf(id);
      switch (type) {
        case "open": {
          invariant(!sessions.has(id), `the model ${id} is opened once`);
          const file = await source.locate(id);
          const session = await threads.open(file, options.session);
          sessions.set(id, session);
          return { files: filesOf(file), ...(session.bytes === undefined ? {} : { bytes: session.bytes }) };
        }
        case "release": {
          const session = sessions.get(id);
          sessions.delete(id);
          await session?.release();
          return {};
        }
        case "warm": {
          const files = filesOf(await source.locate(id));
          await pages.readIn(files, never);
          return { files };
        }
      }
    },
    granted: (grant) => asked.get(grant.use)?.resolve(grant),
    denied: (use, fault) => asked.get(use)?.reject(fault),
    [Symbol.asyncDispose]: () => threads[Symbol.asyncDispose](),
  };
}

/** What is read when it is loaded. */
function filesOf({ path, isPrepared }: ModelFile): string[] {
  const weights = join(dirname(path), WEIGHTS_FILE);
  return isPrepared && existsSync(weights) ? [path, weights] : [path];
}

/** Holds no memory beyond its runs, and so is nothing for the pool. */
function builtIn(entry: ModelEntry): ModelUse {
  return {
    model: createBuiltIn(entry),
    tilePixels: entry.tile.pixelsMax,
    lackMemory: () =>
      Promise.reject(new Fault("busy", "memory_exhausted", `There is not enough memory for ${entry.id}.`)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
