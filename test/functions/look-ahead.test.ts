import { expect, test } from "vitest";
import {
  can,
  controlPlane,
  finished,
  newAgent,
  readyJob,
  type ControlPlane,
} from "./control-plane-fixture.ts";
import * as agents from "#functions/agents/agents.ts";
import type { AgentRecord } from "#functions/agents/agent-item.ts";
import { apply } from "#functions/apply.ts";
import type { BeatAnswer, Lease } from "#shared/domain/message.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Store } from "#shared/ports.ts";

const unread = [
  { stage: "analyze", models: [] },
  { stage: "upscale", models: ["esrgan-thick"] },
  { stage: "finish", models: [] },
];

async function granted(plane: ControlPlane, agent: AgentRecord, job: string): Promise<Lease> {
  const answer = await agents.claim(plane, agent, { job, claimId: `clm_${job}` });
  if (answer.verdict !== "granted") throw new Error(`not granted: ${answer.verdict}`);
  return answer.lease;
}

function look(plane: agents.AgentDoors, agent: AgentRecord, run?: Lease): Promise<BeatAnswer> {
  const runs = run === undefined ? [] : [{ job: run.job, stage: run.stage, epoch: run.epoch }];
  return agents.beat(plane, agent, { seq: 1, runs, hot: [], ahead: true });
}

const jobsOf = ({ ahead }: BeatAnswer): string[] => ahead.map(({ job }) => job);

/** The store with its index read in another way, and the number of times it was read. */
function withIndex(store: Store, nominate: Store["nominate"]) {
  const reads = { pages: 0, items: 0 };
  const counted: Store = {
    get: (key) => ((reads.items += 1), store.get(key)),
    list: (pk, range) => store.list(pk, range),
    transact: (writes, token) => store.transact(writes, token),
    nominate: (...asked) => ((reads.pages += 1), nominate(...asked)),
  };
  return { store: counted, reads };
}

test("a lease tells the models of its stage and the stages that come after it", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const lease = await granted(plane, agent, "job_1");
  expect(lease).toMatchObject({ stage: "analyze", models: [], ahead: unread.slice(1) });
  const ask = await finished(plane, lease as Lease & { stage: "analyze" }, "clm_next");
  const answer = await agents.complete(plane, agent, ask);
  expect(answer).toMatchObject({
    next: { stage: "upscale", models: ["esrgan-thick"], ahead: [{ stage: "finish", models: [] }] },
  });
});

test("a beat that asks is told what waits, the oldest first, and never what the agent has itself", async () => {
  const plane = controlPlane();
  const agent = await newAgent(plane);
  for (const id of ["job_1", "job_2", "job_3"]) {
    await readyJob(plane, id);
    await plane.clock.advance(10);
  }
  const run = await granted(plane, agent, "job_2");
  const answer = await look(plane, agent, run);
  expect(answer).toEqual({
    drop: [],
    ahead: [
      { job: "job_1", stages: unread },
      { job: "job_3", stages: unread },
    ],
  });
  expect((await agents.beat(plane, agent, { seq: 2, runs: [], hot: [], ahead: false })).ahead).toEqual([]);
});

test("a job between two stages is told by its plan", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const [a, b] = [await newAgent(plane), await newAgent(plane)];
  const lease = await granted(plane, a, "job_1");
  await agents.complete(plane, a, await finished(plane, lease as Lease & { stage: "analyze" }));
  expect((await look(plane, b)).ahead).toEqual([{ job: "job_1", stages: unread.slice(1) }]);
});

test("what is over, held by another, paused after a failure or beyond the agent is not ahead of it", async () => {
  const plane = controlPlane();
  const [a, b] = [await newAgent(plane), await newAgent(plane)];
  for (const id of ["job_over", "job_held", "job_paused", "job_left"]) await readyJob(plane, id);
  await apply(plane, "job_over", { type: "cancel-asked" });
  await granted(plane, a, "job_held");
  const { stage, epoch } = await granted(plane, a, "job_paused");
  const failed = { failure: "transient_io", message: "" } as const;
  await agents.fail(plane, a, { job: "job_paused", stage, epoch, ...failed });
  expect(jobsOf(await look(plane, b))).toEqual(["job_left"]);
  const unable: AgentRecord = { ...b, can: { ...can, stages: ["finish"] } };
  expect(jobsOf(await look(plane, unable))).toEqual([]);
  await plane.clock.advance(5 * 60_000);
  expect(jobsOf(await look(plane, b))).toContain("job_paused");
});

test("a long queue costs a bounded look: eight jobs and no more pages than there are shards", async () => {
  const plane = controlPlane();
  const agent = await newAgent(plane);
  for (let n = 0; n < 60; n++) await readyJob(plane, `job_${n}`);
  const { store, reads } = withIndex(plane.store, plane.store.nominate);
  const { ahead } = await look({ ...plane, store }, agent);
  expect(ahead).toHaveLength(8);
  expect(reads.pages).toBeLessThanOrEqual(16);
  expect(reads.items).toBeLessThanOrEqual(16);
});

test("an index that cannot be read costs the beat nothing but its advice", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  await readyJob(plane, "job_2");
  const agent = await newAgent(plane);
  const run = await granted(plane, agent, "job_1");
  const { store, reads } = withIndex(plane.store, () =>
    Promise.reject(new Fault("busy", "store_busy", "The store is busy.")),
  );
  expect(await look({ ...plane, store }, agent, run)).toEqual({ drop: [], ahead: [] });
  expect(reads.pages).toBe(1);
});

test("an index that lags names jobs that are gone: what was read until then is answered", async () => {
  const plane = controlPlane();
  const agent = await newAgent(plane);
  await readyJob(plane);
  const { store } = withIndex(plane.store, (index, pk, range) =>
    plane.store.nominate(index, pk, range).then(({ rows }) => ({
      rows: rows.flatMap((row) => [row, { ...row, pk: "JOB#job_erased", at: `${row.at}~` }]),
    })),
  );
  expect(jobsOf(await look({ ...plane, store }, agent))).toEqual(["job_1"]);
});

test("a slow index does not hold the beat up: after half a second nothing further is read", async () => {
  const plane = controlPlane();
  const agent = await newAgent(plane);
  await readyJob(plane);
  const { store, reads } = withIndex(plane.store, async (...asked) => {
    await plane.clock.advance(300);
    return plane.store.nominate(...asked);
  });
  await look({ ...plane, store }, agent);
  expect(reads.pages).toBe(2);
});
