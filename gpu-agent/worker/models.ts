import { findModel, isBuiltIn } from "#shared/domain/catalogue.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { createPool, type Pool } from "../vram/pool.ts";
import { createBuiltIn } from "../stages/built-in.ts";
import type { Model, StageModels } from "../stages/stage.ts";
import type { ModelSource } from "./model-source.ts";
import { openSession, type Session } from "./session.ts";

/** Memory a session takes beside its weights, where nobody has measured it. */
const SESSION_BYTES = 64 * 2 ** 20;

export interface ModelsOptions {
  readonly source: Pick<ModelSource, "ids" | "locate">;
  readonly threads: number;
  readonly budgetBytes: number;
  /** Monotonic, milliseconds. */
  readonly now: () => number;
  readonly onHot: (models: readonly string[]) => void;
}

/** The models of one run, and what was spent in them. */
export interface MeteredModels extends StageModels {
  readonly spent: { runMs: number; loadMs: number };
}

/** The sessions of this process, pooled. */
export function createModels(options: ModelsOptions): { meter(): MeteredModels } & AsyncDisposable {
  const { source, threads, now } = options;
  const pool: Pool<Session> = createPool({
    budgetBytes: options.budgetBytes,
    expectBytes: (id) => bytesOf(entryOf(id)),
    now,
    onChange: options.onHot,
    async load(id) {
      const entry = entryOf(id);
      const session = isBuiltIn(entry)
        ? openBuiltIn(entry)
        : await openSession(await source.locate(id), { threads });
      return { value: session, bytes: bytesOf(session.entry), release: () => session.release() };
    },
  });

  function entryOf(id: string): ModelEntry {
    const entry = source.ids.includes(id) ? findModel(id) : undefined;
    if (entry !== undefined) return entry;
    throw new Fault("missing", "model_missing", `The model ${id} is not here; pull it.`);
  }

  return {
    meter() {
      const spent = { runMs: 0, loadMs: 0 };
      return {
        spent,
        ids: source.ids,
        makeRoom: () => pool.evictIdle(),
        async use(id, signal) {
          entryOf(id);
          const lease = await pool.take(id, signal);
          spent.loadMs += lease.waitedMs;
          return { model: metered(lease.value), [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose]() };
        },
      };

      function metered(session: Session): Model {
        const { entry, imageInput, imageOutput } = session;
        return {
          entry,
          imageInput,
          ...(imageOutput === undefined ? {} : { imageOutput }),
          async run(feeds) {
            const since = now();
            try {
              return await session.run(feeds);
            } finally {
              spent.runMs += now() - since;
            }
          },
        };
      }
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

/** Holds no memory beyond its runs. */
function openBuiltIn(entry: ModelEntry): Session {
  return { ...createBuiltIn(entry), release: () => Promise.resolve() };
}

function bytesOf({ footprint, bytes = 0 }: ModelEntry): number {
  return footprint?.loadBytes ?? bytes + SESSION_BYTES;
}
