import { expect, test } from "vitest";
import { doneNothing } from "./fake-worker.ts";
import { sampleLease } from "./sample-lease.ts";
import { startAgent } from "./supervisor-fixture.ts";

test("a worker that dies is reported as crashed, and the slot takes the job up again", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease(), sampleLease({ epoch: 2 }));
  await agent.ring();
  agent.worker.runs[0]?.end({ type: "died", how: "signal SIGSEGV" });
  await agent.clock.advance(0);
  expect(agent.control.failures).toEqual([
    {
      job: "job_1",
      stage: "analyze",
      epoch: 1,
      failure: "worker_crashed",
      message: "The worker died: signal SIGSEGV.",
    },
  ]);
  expect(agent.worker.runs[1]?.lease.epoch).toBe(2);
  await agent.drain();
});

test("a worker that is replaced between two stages is waited for, and one that never comes is told of", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  agent.control.nexts.push(sampleLease({ stage: "upscale" }), sampleLease({ stage: "finish" }));
  await agent.ring();
  const { promise, resolve } = Promise.withResolvers<void>();
  agent.worker.warm = promise;
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(30_000);
  expect(agent.worker.runs).toHaveLength(1);
  expect(agent.control.beats.at(-1)?.runs).toMatchObject([{ stage: "upscale" }]);
  resolve();
  await agent.clock.advance(0);
  expect(agent.worker.runs[1]?.lease.stage).toBe("upscale");
  agent.worker.warm = new Promise(() => undefined);
  agent.worker.runs[1]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(61_000);
  expect(agent.worker.runs[2]?.lease.stage).toBe("finish");
  await agent.drain();
});

test("a failure that the worker reports is passed on as it is", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  agent.control.trouble("fail", "down", 2);
  await agent.ring();
  const result = { failure: "model_invalid", message: "flat" } as const;
  agent.worker.runs[0]?.end({ type: "failed", result });
  await agent.clock.advance(1_000);
  expect(agent.control.failures).toEqual([{ job: "job_1", stage: "analyze", epoch: 1, ...result }]);
  await agent.drain();
});

test("a worker that is silent for two minutes is killed; one that makes progress is not", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  await agent.ring();
  for (let tile = 1; tile <= 5; tile += 1) {
    await agent.clock.advance(50_000);
    agent.worker.runs[0]?.progress({ fraction: tile / 9, tilesDone: tile, tilesTotal: 9, doing: "running" });
  }
  expect(agent.worker.kills).toBe(0);
  await agent.clock.advance(119_000);
  expect(agent.worker.kills).toBe(0);
  await agent.clock.advance(2_000);
  expect(agent.worker.kills).toBe(1);
  expect(agent.control.failures).toMatchObject([{ failure: "gpu_hang" }]);
  await agent.drain();
});

test("a stage that passes its hard deadline is killed however lively it looks", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease({ hardDeadline: agent.clock.now() + 200_000 }));
  await agent.ring();
  for (let tile = 1; tile <= 19; tile += 1) {
    await agent.clock.advance(10_000);
    agent.worker.runs[0]?.progress({
      fraction: tile / 99,
      tilesDone: tile,
      tilesTotal: 99,
      doing: "running",
    });
  }
  expect(agent.worker.kills).toBe(0);
  await agent.clock.advance(10_000);
  expect(agent.worker.kills).toBe(1);
  expect(agent.control.failures).toMatchObject([{ failure: "gpu_hang" }]);
  await agent.drain();
});

test("what is left of a try is counted by the agent's own clock, however wrong that is", async () => {
  const agent = await startAgent();
  const anHourAgo = agent.clock.now() - 3_600_000;
  agent.control.leases.push(sampleLease({ hardDeadline: anHourAgo, msLeft: 100_000 }));
  await agent.ring();
  await agent.clock.advance(99_000);
  expect(agent.worker.kills).toBe(0);
  await agent.clock.advance(1_000);
  expect(agent.worker.kills).toBe(1);
  expect(agent.control.failures).toMatchObject([{ failure: "gpu_hang" }]);
  await agent.drain();
});

test("a worker that does not stop when its run is dropped is killed", async () => {
  const agent = await startAgent();
  agent.worker.obeys = false;
  agent.control.leases.push(sampleLease());
  await agent.ring();
  agent.control.drop = [{ job: "job_1", stage: "analyze", epoch: 1 }];
  await agent.clock.advance(24_000);
  expect(agent.worker.kills).toBe(0);
  await agent.clock.advance(2_000);
  expect(agent.worker.kills).toBe(1);
  expect(agent.control.failures).toEqual([]);
  await agent.drain();
});

test("a draining agent gives back its stage and its bell, says goodbye and ends", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  await agent.ring();
  await agent.drain();
  expect(agent.control.releases).toEqual([{ job: "job_1", stage: "analyze", epoch: 1 }]);
  expect(agent.control.failures).toEqual([]);
  expect(agent.control.goodbyes).toEqual(["token-1"]);
  expect(await agent.queue.receive({ max: 1, waitMs: 0, visibilityMs: 0 })).toHaveLength(1);
});

test("a draining agent kills a worker that is deep in a tile, and the job is not charged a crash", async () => {
  const agent = await startAgent();
  agent.worker.obeys = false;
  agent.control.leases.push(sampleLease());
  await agent.ring();
  await agent.drain();
  expect(agent.worker.kills).toBe(1);
  expect(agent.control.releases).toHaveLength(1);
  expect(agent.control.failures).toEqual([]);
});

test("a stage that is handed over while the agent drains is released, not run", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  agent.control.nexts.push(sampleLease({ stage: "upscale" }));
  agent.control.trouble("complete", "lost", 2);
  await agent.ring();
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(0);
  await agent.drain();
  expect(agent.control.completions).toHaveLength(3);
  expect(agent.control.releases).toEqual([{ job: "job_1", stage: "upscale", epoch: 1 }]);
  expect(agent.worker.runs.filter(({ signal }) => !signal.aborted)).toEqual([]);
  expect(agent.control.failures).toEqual([]);
});

test("an idle agent drains without waiting for anything", async () => {
  const agent = await startAgent();
  agent.stop.abort();
  await agent.running;
  expect(agent.control.goodbyes).toHaveLength(1);
});

test("an agent drains within seconds even when the control plane is gone", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  await agent.ring();
  for (const call of ["beat", "complete", "release", "goodbye"] as const)
    agent.control.trouble(call, "down", 99);
  await agent.clock.advance(7_000);
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(7_000);
  agent.stop.abort();
  await agent.clock.advance(3_000);
  await agent.running;
  expect(agent.control.completions).toEqual([]);
});

test("while the control plane is silent the agent works on, takes nothing new, and reports when it is back", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  await agent.ring();
  agent.control.trouble("beat", "down", 20);
  agent.control.trouble("complete", "down", 6);
  await agent.clock.advance(6_000);
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.ring("job_2");
  await agent.clock.advance(5_000);
  expect(agent.control.claims).toHaveLength(1);
  expect(agent.control.completions).toEqual([]);
  await agent.clock.advance(60_000);
  expect(agent.control.completions).toHaveLength(1);
  expect(agent.control.claims.map(({ job }) => job)).toContain("job_2");
  await agent.drain();
});

test("an agent that was forgotten drops its runs and registers anew", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  await agent.ring();
  agent.control.trouble("beat", "forgotten");
  await agent.clock.advance(12_000);
  expect(agent.worker.runs[0]?.signal.aborted).toBe(true);
  expect(agent.control.registrations).toHaveLength(2);
  expect(new Set(agent.ids).size, "whoever reaps it knows it by its new id").toBe(2);
  expect(agent.control.beats.at(-1)?.token).toBe("token-2");
  agent.control.leases.push(sampleLease({ job: "job_2" }));
  await agent.ring("job_2");
  expect(agent.worker.runs.at(-1)?.lease.job).toBe("job_2");
  await agent.drain();
});

test("a result that the control plane refuses is reported as a bug, so that the stage does not hang", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  agent.control.trouble("complete", "refused");
  await agent.ring();
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(0);
  expect(agent.control.failures).toMatchObject([{ failure: "bug" }]);
  await agent.drain();
});

test("an agent that the control plane refuses ends with that error", async () => {
  const agent = await startAgent({ prepare: (control) => control.trouble("register", "refused") });
  await expect(agent.running).rejects.toMatchObject({ code: "request_refused" });
});

test("an agent registers as soon as the control plane is up", async () => {
  const agent = await startAgent({ prepare: (control) => control.trouble("register", "down", 4) });
  expect(agent.control.registrations).toHaveLength(0);
  await agent.clock.advance(10_000);
  expect(agent.control.registrations).toHaveLength(1);
  await agent.drain();
});

test("three photographs whose workers died within five minutes: the node is to blame, drains and says so", async () => {
  const agent = await startAgent();
  for (const job of ["job_1", "job_2", "job_3"]) {
    agent.control.leases.push(sampleLease({ job }));
    await agent.ring(job);
    agent.worker.runs.at(-1)?.end({ type: "died", how: "signal SIGSEGV" });
    await agent.clock.advance(30_000);
  }
  await expect(agent.running).rejects.toMatchObject({ code: "agent_unhealthy" });
  expect(agent.control.goodbyes).toHaveLength(1);
});

test("one photograph that kills three workers is the photograph's fault, not the node's", async () => {
  const agent = await startAgent();
  for (const epoch of [1, 2, 3]) {
    agent.control.leases.push(sampleLease({ epoch }));
    await agent.ring();
    agent.worker.runs.at(-1)?.end({ type: "died", how: "signal SIGSEGV" });
    await agent.clock.advance(30_000);
  }
  expect(agent.control.failures).toHaveLength(3);
  await agent.drain();
  expect(agent.control.goodbyes).toHaveLength(1);
});

test("a drained agent finishes what will be done within its grace, and gives back at once what will not", async () => {
  const agent = await startAgent({ slots: 2, drainGraceMs: 90_000 });
  agent.control.leases.push(sampleLease(), sampleLease({ job: "job_2" }));
  await agent.ring();
  await agent.ring("job_2");
  await agent.clock.advance(60_000);
  const [near, far] = agent.workers.map(({ runs }) => runs[0]!);
  const at = { tilesDone: 1, tilesTotal: 10, doing: "running" } as const;
  near!.progress({ ...at, fraction: 0.6 });
  far!.progress({ ...at, fraction: 0.1 });
  agent.stop.abort();
  await agent.clock.advance(2_000);
  expect(agent.control.releases).toEqual([{ job: far!.lease.job, stage: "analyze", epoch: 1 }]);
  expect(near!.signal.aborted).toBe(false);
  near!.end({ type: "done", result: doneNothing });
  await agent.clock.advance(1_000);
  expect(agent.control.completions).toMatchObject([{ job: near!.lease.job }]);
  expect(agent.control.completions[0]).not.toHaveProperty("nextClaimId");
  await agent.running;
});

test("what is not done when the grace is over is given back", async () => {
  const agent = await startAgent({ drainGraceMs: 90_000 });
  agent.control.leases.push(sampleLease());
  await agent.ring();
  await agent.clock.advance(60_000);
  agent.worker.runs[0]?.progress({ fraction: 0.5, tilesDone: 1, tilesTotal: 2, doing: "running" });
  agent.stop.abort();
  await agent.clock.advance(80_000);
  expect(agent.control.releases).toEqual([]);
  await agent.clock.advance(12_000);
  expect(agent.control.releases).toHaveLength(1);
  await agent.running;
});
