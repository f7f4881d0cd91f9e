import { writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { createLog } from "#shared/log.ts";
import type { Patience } from "#agent/repeat.ts";
import { createWorkerProcess } from "#agent/worker/worker-process.ts";
import { temporaryFolder } from "./image/picture-fixture.ts";
import { ability, doneNothing } from "./fake-worker.ts";
import { sampleLease } from "./sample-lease.ts";

/** A worker process whose program is given here: `tell` speaks, `hear(message)` is called with what it is told. */
async function openProcess(
  program: string,
  parts: Pick<Patience, "clock" | "entropy"> = { clock: systemClock, entropy: systemEntropy },
) {
  const folder = await temporaryFolder();
  const modulePath = folder.path("worker.mjs");
  const prelude = `const tell = (event) => process.send(event);
    const ready = () => tell({ type: "ready", ability: ${JSON.stringify(ability)} });
    const done = (run) => tell({ type: "done", run, result: ${JSON.stringify(doneNothing)} });
    process.on("disconnect", () => process.exit(0));`;
  await writeFile(modulePath, `${prelude}\n${program}`);
  const lines: string[] = [];
  const log = createLog({ level: "debug", now: () => 0, write: (line) => lines.push(line) });
  const worker = createWorkerProcess({ modulePath, env: { GIVEN: "yes" }, log, ...parts });
  return {
    worker,
    lines,
    ready: () => worker.ready(new AbortController().signal),
    run: (signal: AbortSignal = new AbortController().signal, seen: unknown[] = []) =>
      worker.run(sampleLease(), (progress) => seen.push(progress), signal),
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("a worker says what it can do, runs what it is told, and reports its progress and result", async () => {
  await using process = await openProcess(`ready();
    process.on("message", ({ run, lease }) => {
      tell({ type: "progress", run, progress: { fraction: 0.5, tilesDone: 1, tilesTotal: 2, doing: lease.stage === "analyze" ? "running" : "writing" } });
      done(run);
    });`);
  expect(await process.ready()).toEqual(ability);
  const seen: unknown[] = [];
  expect(await process.run(undefined, seen)).toEqual({ type: "done", result: doneNothing });
  expect(seen).toEqual([{ fraction: 0.5, tilesDone: 1, tilesTotal: 2, doing: "running" }]);
});

test("a worker that is killed in the middle of a run ends it as died, and is replaced", async () => {
  await using process = await openProcess(`ready(); process.on("message", ({ run }) => {
      if (run > 1) return done(run);
      tell({ type: "progress", run, progress: { fraction: 0, tilesDone: 0, tilesTotal: 9, doing: "running" } });
    });`);
  await process.ready();
  const first = process.worker.pid();
  const outcome = await process.worker.run(
    sampleLease(),
    () => process.worker.kill(),
    new AbortController().signal,
  );
  expect(outcome).toEqual({ type: "died", how: "signal SIGKILL" });
  await process.ready();
  expect(process.worker.pid()).not.toBe(first);
  expect(await process.run()).toMatchObject({ type: "done" });
});

test("a worker that exits by itself or crashes is a death like any other", async () => {
  await using process = await openProcess(`ready(); process.on("message", ({ run }) => {
      if (run === 1) process.exit(7);
      process.kill(process.pid, "SIGSEGV");
    });`);
  const outcomes: unknown[] = [];
  for (let n = 0; n < 2; n += 1) {
    await process.ready();
    outcomes.push(await process.run());
  }
  expect(outcomes).toEqual([
    { type: "died", how: "exit code 7" },
    { type: "died", how: "signal SIGSEGV" },
  ]);
});

test("an abort reaches the worker, and a run that is aborted from the start is never begun", async () => {
  await using process = await openProcess(`ready(); process.on("message", ({ type, run }) => {
      if (type === "abort") tell({ type: "aborted", run });
    });`);
  await process.ready();
  expect(await process.run(AbortSignal.abort())).toEqual({ type: "aborted" });
  const stop = new AbortController();
  const running = process.run(stop.signal);
  stop.abort();
  expect(await running).toEqual({ type: "aborted" });
});

test("a late word of an earlier run is not taken for one of this run", async () => {
  await using process = await openProcess(`ready(); process.on("message", ({ type, run }) => {
      if (type === "abort") return tell({ type: "aborted", run });
      if (run === 1) return;
      tell({ type: "failed", run: 1, result: { failure: "bug", message: "late" } });
      done(run);
    });`);
  await process.ready();
  const stop = new AbortController();
  const first = process.run(stop.signal);
  stop.abort();
  await first;
  expect(await process.run()).toMatchObject({ type: "done" });
});

test("a worker that says what nobody understands is killed", async () => {
  await using process = await openProcess(
    `ready(); process.on("message", () => tell({ type: "done", run: "?" }));`,
  );
  await process.ready();
  expect(await process.run()).toEqual({ type: "died", how: "signal SIGKILL" });
  expect(process.lines.some((line) => line.includes("worker-unintelligible"))).toBe(true);
});

test("a worker gets the environment it is given and the allocator's settings, and nothing else", async () => {
  await using process = await openProcess(`ready(); process.on("message", ({ run }) => tell({
      type: "failed", run, result: { failure: "bug", message: Object.keys(process.env).filter((name) => !name.startsWith("NODE_CHANNEL")).sort().join() },
    }));`);
  await process.ready();
  expect(await process.run()).toMatchObject({
    result: { message: "GIVEN,MALLOC_MMAP_THRESHOLD_,MALLOC_TRIM_THRESHOLD_" },
  });
});

test("a worker that cannot start is tried again, more and more slowly, and nobody is told it is ready", async () => {
  const pauses: number[] = [];
  const enough = new AbortController();
  const hasty: Patience = {
    clock: {
      now: () => 0,
      async sleep(ms) {
        if (pauses.push(ms) === 5) enough.abort();
      },
    },
    // Half way: no jitter.
    entropy: (bytes) => new Uint8Array(bytes).fill(128, 0, 1),
  };
  await using process = await openProcess(`process.exit(3);`, hasty);
  await expect(process.worker.ready(enough.signal)).rejects.toThrow();
  expect(pauses.slice(0, 5)).toEqual([250, 500, 1_000, 2_000, 4_000]);
});

test("closing ends the process, even one that does not listen", async () => {
  await using process = await openProcess(
    `process.removeAllListeners("disconnect"); ready(); setInterval(() => {}, 1000);`,
  );
  await process.ready();
  const pid = process.worker.pid()!;
  await process.worker[Symbol.asyncDispose]();
  expect(() => globalThis.process.kill(pid, 0)).toThrow();
});
