import { expect, test } from "vitest";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryQueue } from "#shared/adapters/memory-queue.ts";
import { PROTOCOL_VERSION, type JobAhead } from "#shared/domain/message.ts";
import { createLog } from "#shared/log.ts";
import type { ActiveRun, ActiveRuns } from "#agent/active-run.ts";
import { keepBeating } from "#agent/heartbeat.ts";
import { createMembership } from "#agent/membership.ts";
import { createFakeControl } from "./fake-control.ts";
import { sampleLease } from "./sample-lease.ts";

const waiting: JobAhead[] = [{ job: "job_2", stages: [{ stage: "upscale", models: ["esrgan-thick"] }] }];

/** Beats on a clock that stands still. `told`: what was handed on of what waits, each time. */
async function startBeating(ask: { beatMs?: number; isDeaf?: boolean } = {}) {
  const clock = createManualClock();
  const entropy = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(128);
  const control = createFakeControl();
  control.beatMs = ask.beatMs ?? 5_000;
  control.ahead = waiting;
  const membership = createMembership({
    control,
    capabilities: { protocol: PROTOCOL_VERSION, device: "cpu", slots: 1, stages: [], models: [] },
    clock,
    entropy,
  });
  const stop = new AbortController();
  await membership.join(stop.signal);
  const run: ActiveRun = { lease: sampleLease(), startedAt: 0, dropped: new AbortController() };
  const runs: ActiveRuns = new Set();
  const told: (readonly JobAhead[])[] = [];
  const beating = keepBeating(
    {
      control,
      membership,
      queue: createMemoryQueue({ clock, entropy }),
      runs,
      hot: () => [],
      onRejoined: () => undefined,
      log: createLog({ level: "error", now: clock.now, write: () => undefined }),
      clock,
      entropy,
      ...(ask.isDeaf === true ? {} : { onAhead: (jobs: readonly JobAhead[]) => told.push(jobs) }),
    },
    stop.signal,
  ).catch(() => undefined);
  await clock.advance(0);
  return {
    clock,
    control,
    runs,
    run,
    told,
    /** Of every beat so far, whether it asked what waits. */
    asked: () => control.beats.map(({ ahead }) => ahead),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await beating;
    },
  };
}

test("what waits is asked for while something runs, and handed on as it was answered", async () => {
  await using agent = await startBeating();
  await agent.clock.advance(5_000);
  agent.runs.add(agent.run);
  await agent.clock.advance(10_000);
  agent.runs.delete(agent.run);
  await agent.clock.advance(10_000);
  expect(agent.asked()).toEqual([false, false, true, true, false, false]);
  expect(agent.told).toEqual([waiting, waiting]);
});

test("an agent that beats faster than every five seconds does not ask more often for it", async () => {
  await using agent = await startBeating({ beatMs: 1_000 });
  agent.runs.add(agent.run);
  await agent.clock.advance(12_000);
  expect(agent.asked()).toHaveLength(13);
  expect(agent.asked().flatMap((ahead, second) => (ahead ? [second] : []))).toEqual([1, 6, 11]);
});

test("a beat that fails is repeated soon and does not ask again at once", async () => {
  await using agent = await startBeating();
  agent.runs.add(agent.run);
  agent.control.trouble("beat", "lost", 2);
  await agent.clock.advance(7_500);
  expect(agent.asked()).toEqual([false, true, false, false]);
  expect(agent.told).toEqual([]);
});

test("an agent with no ear for what waits never asks", async () => {
  await using agent = await startBeating({ isDeaf: true });
  agent.runs.add(agent.run);
  await agent.clock.advance(10_000);
  expect(agent.asked()).toEqual([false, false, false]);
});
