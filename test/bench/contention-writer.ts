/**
 * A process of `bench:contention`: `contention-writer.ts <sqlite|dynamodb> <store file or table> <first writer> <writers>`.
 * Says "ready"; is then told rounds one by one, and answers each with what its writers were told.
 */
import { invariant } from "#shared/domain/fault.ts";
import type { Store } from "#shared/ports.ts";
import { ITEM, openStore } from "./contention-store.ts";

/** All writers try to replace the item as it stands at this rev. */
export interface Round {
  readonly rev: number;
}

export interface Told {
  /** Those that were told that they had won. */
  readonly winners: readonly number[];
  /** Calls that met another one on the item and were made again. */
  readonly conflicts: number;
}

const CONFLICTS_MAX = 100;

async function write(store: Store, writer: number, rev: number): Promise<Told> {
  for (let conflicts = 0; conflicts < CONFLICTS_MAX; conflicts++) {
    const committed = await store.transact([
      { op: "put", item: { ...ITEM, body: { writer, rev } }, when: { rev } },
    ]);
    if (committed.ok) return { winners: [writer], conflicts };
    if (committed.refusals[0] === "condition") return { winners: [], conflicts };
  }
  throw new Error(`writer ${writer} was told ${CONFLICTS_MAX} times to come back`);
}

async function run([engine = "", place = "", first = "", writers = ""]: readonly string[]): Promise<void> {
  invariant(engine === "sqlite" || engine === "dynamodb", "an engine is sqlite or dynamodb");
  const store = await openStore(engine, place);
  const numbers = Array.from({ length: Number(writers) }, (_, i) => Number(first) + i);
  process.on("message", ({ rev }: Round) => {
    void Promise.all(numbers.map((writer) => write(store, writer, rev))).then(
      (told) =>
        process.send?.({
          winners: told.flatMap(({ winners }) => winners),
          conflicts: told.reduce((sum, { conflicts }) => sum + conflicts, 0),
        } satisfies Told),
      (error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        process.exit(1);
      },
    );
  });
  process.once("disconnect", () => void store[Symbol.asyncDispose]().then(() => process.exit(0)));
  process.send?.("ready");
}

await run(process.argv.slice(2));
