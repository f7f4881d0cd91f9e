import { expect, test } from "vitest";
import { Fault } from "#shared/domain/fault.ts";
import { ability, doneNothing } from "./fake-worker.ts";
import { sampleLease } from "./sample-lease.ts";
import { startAgent } from "./supervisor-fixture.ts";

test("an agent registers with what its worker can run, and beats from then on", async () => {
  const agent = await startAgent({ slots: 2 });
  await agent.clock.advance(10_000);
  expect(agent.control.registrations).toEqual([
    { protocol: 1, slots: 2, device: "cpu", stages: ability.stages, models: ability.models },
  ]);
  expect(agent.control.beats.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(agent.control.beats[0]).toMatchObject({ runs: [], hot: ["realesr-general-x4v3"], token: "token-1" });
  await agent.drain();
});

test("a granted stage runs, is completed, and its bell is deleted only once nothing is left", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  await agent.ring();
  expect(agent.worker.runs[0]?.lease.stage).toBe("analyze");
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(0);
  expect(agent.control.completions).toMatchObject([{ job: "job_1", stage: "analyze", epoch: 1 }]);
  expect(agent.control.completions[0]?.nextClaimId).toMatch(/^clm_/);
  // Asked once more by the bell's job, and told that it is gone.
  expect(agent.control.claims.map(({ job }) => job)).toEqual(["job_1", "job_1"]);
  await agent.drain();
  expect(await agent.bells()).toBe(0);
});

test("the next stage comes in the answer to complete, and no bell is needed for it", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  agent.control.nexts.push(sampleLease({ stage: "upscale" }), sampleLease({ stage: "finish" }));
  await agent.ring();
  for (const index of [0, 1, 2]) {
    agent.worker.runs[index]?.end({ type: "done", result: doneNothing });
    await agent.clock.advance(0);
  }
  expect(agent.worker.runs.map(({ lease }) => lease.stage)).toEqual(["analyze", "upscale", "finish"]);
  expect(agent.control.completions).toHaveLength(3);
  expect(agent.control.claims).toHaveLength(2);
  await agent.drain();
});

test("a bell whose stage somebody holds is left alone", async () => {
  const agent = await startAgent();
  agent.control.otherwise = "wait";
  await agent.ring();
  expect(agent.control.claims).toHaveLength(1);
  await agent.drain();
  expect(await agent.bells()).toBe(1);
});

test("a message that is no bell is put aside with its reason, and the slot goes on listening", async () => {
  const agent = await startAgent();
  await agent.queue.send([{ body: "not json" }, { body: `{"job":7}` }]);
  await agent.ring();
  expect(agent.control.claims).toHaveLength(1);
  expect(agent.control.aside).toMatchObject([{ body: "not json" }, { body: `{"job":7}` }]);
  expect(agent.control.aside[0]?.reason).toMatch("no doorbell");
  await agent.drain();
  expect(await agent.bells()).toBe(0);
});

test("a message that cannot be put aside stays in the queue", async () => {
  const agent = await startAgent();
  agent.control.trouble("putAside", "down", 1);
  await agent.queue.send([{ body: "not json" }]);
  await agent.clock.advance(2_000);
  expect(agent.control.aside).toEqual([]);
  await agent.clock.advance(60_000);
  expect(agent.control.aside).toHaveLength(1);
  await agent.drain();
});

test("while the queue is down, a slot asks for ready work by itself", async () => {
  const down = new Fault("busy", "queue_busy", "The queue does not answer.");
  const agent = await startAgent({
    queue: (queue) => ({ ...queue, receive: () => Promise.reject(down) }),
  });
  agent.control.leases.push(sampleLease());
  await agent.clock.advance(30_000);
  expect(agent.control.claims[0]).not.toHaveProperty("job");
  expect(agent.worker.runs).toHaveLength(1);
  await agent.drain();
});

test("a claim whose answer was lost is repeated under the same id and runs once", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  agent.control.trouble("claim", "lost", 2);
  await agent.ring();
  await agent.clock.advance(1_000);
  expect(new Set(agent.control.claims.map(({ claimId }) => claimId)).size).toBe(1);
  expect(agent.control.claims).toHaveLength(3);
  expect(agent.worker.runs).toHaveLength(1);
  await agent.drain();
});

test("a complete whose answer was lost is repeated as it was, and the stage it handed over runs once", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  agent.control.nexts.push(sampleLease({ stage: "upscale" }));
  agent.control.trouble("complete", "lost", 3);
  await agent.ring();
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(2_000);
  expect(agent.control.completions).toHaveLength(4);
  expect(new Set(agent.control.completions.map((ask) => JSON.stringify(ask))).size).toBe(1);
  expect(agent.worker.runs.map(({ lease }) => lease.stage)).toEqual(["analyze", "upscale"]);
  await agent.drain();
});

test("beats name what runs, with its progress, until the control plane has answered its end", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  agent.control.trouble("complete", "down", 5);
  await agent.ring();
  agent.worker.runs[0]?.progress({ fraction: 0.5, tilesDone: 1, tilesTotal: 2, doing: "running" });
  await agent.clock.advance(5_000);
  const run = { job: "job_1", stage: "analyze", epoch: 1 };
  expect(agent.control.beats.at(-1)?.runs).toMatchObject([{ ...run, progress: { fraction: 0.5 } }]);
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(1_000);
  expect(agent.control.completions).toEqual([]);
  await agent.clock.advance(9_000);
  expect(agent.control.completions).toHaveLength(1);
  expect(agent.control.beats.at(-1)?.runs).toEqual([]);
  await agent.drain();
});

test("a run that the beat's answer drops is stopped, and nobody hears of it again", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease());
  await agent.ring();
  agent.control.drop = [{ job: "job_1", stage: "analyze", epoch: 1 }];
  await agent.clock.advance(5_000);
  expect(agent.worker.runs[0]?.signal.aborted).toBe(true);
  await agent.clock.advance(5_000);
  expect(agent.control.beats.at(-1)?.runs).toEqual([]);
  expect([agent.control.completions, agent.control.failures, agent.control.releases]).toEqual([[], [], []]);
  await agent.drain();
});

test("a drop names an epoch: it leaves a later try of the same stage alone", async () => {
  const agent = await startAgent();
  agent.control.leases.push(sampleLease({ epoch: 2 }));
  await agent.ring();
  agent.control.drop = [{ job: "job_1", stage: "analyze", epoch: 1 }];
  await agent.clock.advance(10_000);
  expect(agent.worker.runs[0]?.signal.aborted).toBe(false);
  await agent.drain();
});

test("a slot that heard nothing for twenty seconds asks for any work", async () => {
  const agent = await startAgent();
  agent.control.otherwise = "wait";
  await agent.clock.advance(19_000);
  expect(agent.control.claims).toEqual([]);
  agent.control.leases.push(sampleLease());
  await agent.clock.advance(2_000);
  expect(agent.control.claims).toHaveLength(1);
  expect(agent.control.claims[0]).not.toHaveProperty("job");
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(0);
  expect(agent.control.completions).toHaveLength(1);
  await agent.drain();
});

test("what a slot that asks is told of it claims by its id; when that is another's by then it asks anew, a few times", async () => {
  const agent = await startAgent();
  agent.control.otherwise = "wait";
  agent.control.found.push("job_1", "job_2", "job_3", "job_4");
  await agent.clock.advance(26_000);
  const named = agent.control.claims.map(({ job }) => job);
  expect(named).toEqual([undefined, "job_1", undefined, "job_2", undefined, "job_3"]);
  expect(agent.worker.runs).toEqual([]);
  agent.control.leases.push(sampleLease({ job: "job_4" }));
  await agent.clock.advance(26_000);
  expect(agent.control.claims.at(-1)?.job).toBe("job_4");
  expect(agent.worker.runs).toHaveLength(1);
  await agent.drain();
});

test("a queue that hangs while bells are hidden holds up no beat, and is asked once at a time", async () => {
  let asked = 0;
  const hanging = (): Promise<void> => {
    asked += 1;
    return new Promise(() => undefined);
  };
  const agent = await startAgent({ queue: (queue) => ({ ...queue, extend: hanging }) });
  agent.control.leases.push(sampleLease());
  await agent.ring();
  const before = agent.control.beats.length;
  await agent.clock.advance(10 * agent.control.beatMs);
  expect(agent.control.beats.length - before).toBe(10);
  expect(asked).toBe(1);
  agent.worker.runs[0]?.end({ type: "done", result: doneNothing });
  await agent.clock.advance(0);
  agent.stop.abort();
});

test("seq rises over every beat, answered or not", async () => {
  const agent = await startAgent();
  agent.control.trouble("beat", "lost", 2);
  await agent.clock.advance(20_000);
  const sequence = agent.control.beats.map(({ seq }) => seq);
  expect(sequence.length).toBeGreaterThan(4);
  expect(sequence).toEqual([...new Set(sequence)].sort((a, b) => a - b));
  await agent.drain();
});

test("the bell of a running job stays hidden for as long as it runs", async () => {
  const agent = await startAgent({ slots: 2 });
  agent.control.leases.push(sampleLease());
  agent.control.otherwise = "wait";
  await agent.ring();
  for (let minute = 0; minute < 5; minute += 1) {
    await agent.clock.advance(60_000);
    agent.worker.runs[0]?.progress({
      fraction: minute / 5,
      tilesDone: minute,
      tilesTotal: 5,
      doing: "running",
    });
  }
  // The other slot asked for work now and then, but never heard that bell.
  expect(agent.control.claims.filter(({ job }) => job === "job_1")).toHaveLength(1);
  await agent.drain();
});

test("two slots run two jobs side by side", async () => {
  const agent = await startAgent({ slots: 2 });
  agent.control.leases.push(sampleLease(), sampleLease({ job: "job_2" }));
  await agent.ring();
  await agent.ring("job_2");
  expect(agent.workers.map(({ runs }) => runs.length)).toEqual([1, 1]);
  await agent.clock.advance(5_000);
  expect(
    agent.control.beats
      .at(-1)
      ?.runs.map(({ job }) => job)
      .toSorted(),
  ).toEqual(["job_1", "job_2"]);
  await agent.drain();
  expect(agent.control.releases).toHaveLength(2);
});
