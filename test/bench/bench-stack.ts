import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { choosePlaces, chooseThreads } from "#local/places.ts";
import { prepareModels } from "#local/prepare-models.ts";
import { startStack } from "#local/stack.ts";
import { processTree } from "../chaos/process-tree.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";

/** A real local stack for a benchmark: the one way that photographs travel, on a data folder of its own. */
export interface BenchStack extends AsyncDisposable {
  /** Runs one photograph from create to its end; the bytes are the upload. */
  readonly restore: (
    bytes: Buffer,
    options: Record<string, unknown>,
    contentType?: string,
  ) => Promise<Restoration>;
  readonly download: (url: string) => Promise<Buffer>;
  readonly pids: () => number[];
}

const POLL_MS = 25;
const JOB_MS_MAX = 60 * 60_000;

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
  let n = 0;

  async function restore(
    bytes: Buffer,
    options: Record<string, unknown>,
    contentType = "image/png",
  ): Promise<Restoration> {
    const file = {
      content_type: contentType,
      content_length: bytes.length,
      checksum_sha256: createHash("sha256").update(bytes).digest("hex"),
    };
    const created = await fetch(new URL("/v1/restorations", stack.url), {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": `bench-${++n}` },
      body: JSON.stringify({ ...options, input: { file } }),
    });
    const restoration = (await created.json()) as Restoration;
    if (!created.ok || restoration.upload === null)
      throw new Error(`create: ${created.status} ${JSON.stringify(restoration)}`);
    const stored = await fetch(restoration.upload.url, {
      method: restoration.upload.method,
      headers: restoration.upload.headers,
      body: bytes,
    });
    if (!stored.ok) throw new Error(`upload: ${stored.status} ${await stored.text()}`);
    const until = performance.now() + JOB_MS_MAX;
    for (;;) {
      const current = (await (
        await fetch(new URL(`/v1/restorations/${restoration.id}`, stack.url))
      ).json()) as Restoration;
      if (current.status === "succeeded") return current;
      if (["failed", "canceled", "expired"].includes(current.status))
        throw new Error(`${current.status}: ${JSON.stringify(current.error)}`);
      if (performance.now() > until) throw new Error("the job did not end in time");
      await sleep(POLL_MS);
    }
  }

  return {
    restore,
    download: async (url) => Buffer.from(await (await fetch(url)).arrayBuffer()),
    pids: () => processTree(process.pid).map((each) => each.pid),
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
