import { failureOf } from "#agent/worker/failure.ts";
import type { Grant, RunOutcome } from "#agent/worker/protocol.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Lease, Progress } from "#shared/domain/message.ts";
import type { StageHost } from "./simulated-worker.ts";

interface StageAsk {
  readonly lease: Lease;
  readonly report: (progress: Progress) => void;
}

/** A stage that runs the lease's models one after the other, as `runModelPass` and the worker's models would. */
export async function runSimulatedStage(
  host: StageHost,
  ask: StageAsk,
  signal: AbortSignal,
): Promise<Exclude<RunOutcome, { type: "died" }>> {
  const since = host.clock.now();
  let loadMs = 0;
  try {
    for (const model of ask.lease.models) {
      loadMs += await useModel(host, { ...ask, model }, signal);
      await host.between();
    }
    signal.throwIfAborted();
  } catch (error) {
    // Nobody hears of it any more.
    if (host.signal.aborted) return await new Promise(() => undefined);
    return signal.aborted ? { type: "aborted" } : { type: "failed", result: failureOf(error) };
  }
  const seconds = (host.clock.now() - since) / 1000;
  return {
    type: "done",
    result: {
      outputs: {},
      timings: { seconds, modelSeconds: seconds - loadMs / 1000, loadSeconds: loadMs / 1000 },
      warnings: [],
    },
  };
}

/** Answers how long it waited for the model, milliseconds. */
async function useModel(
  host: StageHost,
  { lease, report, model }: StageAsk & { readonly model: string },
  signal: AbortSignal,
): Promise<number> {
  const use = host.newUse();
  const since = host.clock.now();
  const tell = (doing: Progress["doing"], tilesDone: number, tilesTotal: number): void =>
    report({ fraction: 0, tilesDone, tilesTotal, doing, model });
  try {
    tell("loading", 0, 0);
    let grant = await host.ask({ type: "take", use, model }, signal);
    const waitedMs = host.clock.now() - since;
    for (;;) {
      const lacking = await runTiles(grant);
      if (lacking === undefined) return waitedMs;
      grant = await host.ask({ type: "exhausted", use, tilePixels: lacking }, signal);
    }
  } finally {
    host.tell({ type: "returned", use, peaks: [] });
  }

  /** Answers the size of the tile that there was no memory for. */
  async function runTiles(grant: Grant): Promise<number | undefined> {
    const { count, ms } = host.tilesOf(lease, model, grant.tilePixels);
    try {
      for (let done = 0; done < count; done += 1) {
        tell("running", done, count);
        await host.tile(model, grant, ms);
        signal.throwIfAborted();
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "memory_exhausted") throw error;
      return grant.tilePixels;
    }
  }
}
