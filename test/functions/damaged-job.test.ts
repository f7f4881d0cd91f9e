import { expect, test } from "vitest";
import { controlPlane, jobOf, newAgent, readyJob, type ControlPlane } from "./control-plane-fixture.ts";
import * as agents from "#functions/agents/agents.ts";
import { deadLetter } from "#functions/dead-letters.ts";
import { uploadArrived } from "#functions/intake/arrival.ts";
import { sweep } from "#functions/sweep/sweep.ts";
import { jobKey } from "#shared/domain/job.ts";
import { RING_AGAIN_MS } from "#shared/domain/limits.ts";
import type { Item } from "#shared/ports.ts";

/** Puts what no version of this code has written into the record. @returns the body as it is then. */
async function damage(plane: ControlPlane, id: string): Promise<object> {
  const item = (await plane.store.get(jobKey(id))) as Item;
  const body = { ...(item.body as object), finishBy: null };
  await plane.store.transact([{ op: "put", item: { ...item, body }, when: { rev: item.rev } }]);
  return body;
}

test("a job whose record is damaged is logged and put off, and holds up no other", async () => {
  const plane = controlPlane();
  await readyJob(plane, "job_1");
  await readyJob(plane, "job_2");
  const body = await damage(plane, "job_1");

  await plane.clock.advance(RING_AGAIN_MS);
  await sweep(plane);
  expect(plane.lines.filter((line) => line.includes("job_damaged"))).toHaveLength(1);
  expect(plane.lines.join()).toContain('"level":"error"');
  expect((await jobOf(plane, "job_2")).stages[0]).toMatchObject({ rings: 1 });

  await sweep(plane);
  expect(plane.lines.filter((line) => line.includes("job_damaged"))).toHaveLength(1);
  expect(await plane.store.get(jobKey("job_1"))).toMatchObject({ body });
});

test("an agent that asks for work is given another job than the damaged one, whose bell is to go", async () => {
  const plane = controlPlane();
  for (const id of ["job_1", "job_2"]) await readyJob(plane, id);
  await damage(plane, "job_1");
  const agent = await newAgent(plane);
  const answer = await agents.claim(plane, agent, { claimId: "clm_1" });
  expect(answer).toEqual({ verdict: "found", job: "job_2" });
  expect(await agents.claim(plane, agent, { job: "job_1", claimId: "clm_2" })).toEqual({ verdict: "gone" });
});

test("an agent whose job's record is damaged keeps beating, drops it, and is told that its report is late", async () => {
  const plane = controlPlane();
  for (const id of ["job_1", "job_2"]) await readyJob(plane, id);
  const agent = await newAgent(plane);
  for (const job of ["job_1", "job_2"]) await agents.claim(plane, agent, { job, claimId: `clm_${job}` });
  await damage(plane, "job_1");
  const runs = ["job_1", "job_2"].map((job) => ({ job, stage: "analyze" as const, epoch: 1 }));
  const { drop } = await agents.beat(plane, agent, { seq: 1, runs, hot: [], ahead: false });
  expect(drop).toEqual([runs[0]]);
  const report = { job: "job_1", stage: "analyze", epoch: 1 } as const;
  expect(await agents.release(plane, agent, report)).toEqual({ verdict: "stale" });
  await agents.gone(plane, agent.id);
  expect((await jobOf(plane, "job_2")).stages[0]).toMatchObject({ status: "ready" });
});

test("a dead letter of a damaged job is done with: its timer is what brings it back", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  await damage(plane, "job_1");
  await expect(deadLetter(plane, JSON.stringify({ v: 1, job: "job_1" }))).resolves.toBeUndefined();
});

test("the announcement of a damaged job's upload is done with", async () => {
  const plane = controlPlane();
  await readyJob(plane, "job_1");
  await damage(plane, "job_1");
  await expect(uploadArrived(plane, "jobs/job_1/input")).resolves.toBeUndefined();
});
