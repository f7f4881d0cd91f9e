import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { choosePlaces, chooseThreads } from "#local/places.ts";
import { prepareModels } from "#local/prepare-models.ts";
import { startStack } from "#local/stack.ts";
import { createBenchClient, type BenchClient } from "./bench-client.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";

/** A real local stack for a benchmark: the one way that photographs travel, on a data folder of its own. */
export interface BenchStack extends BenchClient, AsyncDisposable {}

/** @param ask.models as `--models` of the command line; "none": the npm weights alone. */
export async function openBenchStack(ask: { models: string | undefined }): Promise<BenchStack> {
  const data = await mkdtemp(join(tmpdir(), "photokeep-bench-"));
  const places = choosePlaces({ data, models: ask.models, cwd: process.cwd() });
  await prepareModels(places, (line) => process.stdout.write(`${line}\n`));
  const stack = await startStack({
    ...places,
    host: "127.0.0.1",
    port: 0,
    agents: 1,
    threads: chooseThreads(0),
    logLevel: "info",
  });
  await stack.ready;

  return {
    ...createBenchClient(stack.url),
    async [Symbol.asyncDispose]() {
      await stack[Symbol.asyncDispose]();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Seconds from accepted to succeeded, and those of them spent inside the models. */
export function secondsOf(restoration: Restoration): { wall: number; model: number } {
  if (restoration.completed_at === null) throw new Error(`${restoration.id} has not ended`);
  return {
    wall: (Date.parse(restoration.completed_at) - Date.parse(restoration.created_at)) / 1000,
    model: restoration.stages.reduce((sum, stage) => sum + (stage.model_seconds ?? 0), 0),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
