import { expect, test } from "vitest";
import {
  can,
  controlPlane,
  finished,
  jobOf,
  newAgent,
  readyJob,
  type ControlPlane,
} from "./control-plane-fixture.ts";
import * as agents from "#functions/agents/agents.ts";
import type { AgentRecord } from "#functions/agents/agent-item.ts";
import { sweep } from "#functions/sweep/sweep.ts";
import { apply } from "#functions/apply.ts";
import { stageOf } from "#shared/domain/job.ts";
import { shardOf } from "#shared/domain/id.ts";
import { INDEX_SHARDS, LEASE_GUARD_MS, LEASE_MS } from "#shared/domain/limits.ts";
import type { Lease } from "#shared/domain/message.ts";

async function granted(plane: ControlPlane, agent: AgentRecord, claimId: string): Promise<Lease> {
  const answer = await agents.claim(plane, agent, { job: "job_1", claimId });
  if (answer.verdict !== "granted") throw new Error(`not granted: ${answer.verdict}`);
  return answer.lease;
}

/** The lease under which the helper may store outputs of the three stages of the fixture. */
const own = (lease: Lease) => lease as Lease & { stage: "analyze" | "upscale" | "finish" };

test("a stage travels: claim, complete with the next claim in the answer, until the job has succeeded", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  let lease: Lease | undefined = await granted(plane, agent, "clm_1");
  const seen: string[] = [];
  while (lease !== undefined) {
    seen.push(lease.stage);
    const answer = await agents.complete(
      plane,
      agent,
      await finished(plane, own(lease), `clm_next${seen.length}`),
    );
    lease = answer.verdict === "accepted" ? answer.next : undefined;
  }
  expect(seen).toEqual(["analyze", "upscale", "finish"]);
  expect((await jobOf(plane)).status).toBe("succeeded");
});

test("a claim whose reply was lost is granted again under the same claim id, and to nobody else", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const [a, b] = [await newAgent(plane), await newAgent(plane)];
  const first = await granted(plane, a, "clm_1");
  expect(await granted(plane, a, "clm_1")).toEqual(first);
  expect(await agents.claim(plane, b, { job: "job_1", claimId: "clm_2" })).toEqual({ verdict: "wait" });
});

test("a repeated complete is answered with the lease it granted the first time", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const ask = await finished(plane, own(await granted(plane, agent, "clm_1")), "clm_2");
  const first = await agents.complete(plane, agent, ask);
  expect(first).toMatchObject({ verdict: "accepted", next: { stage: "upscale" } });
  expect(await agents.complete(plane, agent, ask)).toEqual(first);
});

test("twenty agents at one doorbell: exactly one is granted the stage", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const all = await Promise.all(Array.from({ length: 20 }, () => newAgent(plane)));
  const asked = Promise.all(
    all.map((agent, i) => agents.claim(plane, agent, { job: "job_1", claimId: `clm_${i}` })),
  );
  for (let ms = 0; ms < 1_000; ms += 10) await plane.clock.advance(10);
  const answers = await asked;
  expect(answers.filter((answer) => answer.verdict === "granted")).toHaveLength(1);
  expect(answers.filter((answer) => answer.verdict === "wait")).toHaveLength(19);
});

test("an output outside the stage's own prefix, or other bytes than described, is refused", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const analyzed = await agents.complete(
    plane,
    agent,
    await finished(plane, own(await granted(plane, agent, "clm_1")), "clm_2"),
  );
  if (analyzed.verdict !== "accepted" || analyzed.next === undefined) throw new Error("no next lease");
  const ask = await finished(plane, own(analyzed.next));
  const foreign = await plane.blobs.write(
    "jobs/job_2/upscale/e1-n.image.tif",
    new Uint8Array(2),
    "image/tiff",
  );
  const image = ask.outputs.image;
  if (image === undefined) throw new Error("no output");
  for (const wrong of [
    foreign,
    { ...image, sha256: "b".repeat(64) },
    { ...image, bytes: image.bytes + 1 },
    { ...image, key: `${image.key}-missing` },
  ]) {
    await expect(agents.complete(plane, agent, { ...ask, outputs: { image: wrong } })).rejects.toMatchObject({
      code: "output_invalid",
    });
  }
  expect(stageOf(await jobOf(plane), "upscale").status).toBe("leased");
});

test("an analysis without its findings, and a finish without its picture, are refused and stay the agent's", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  let lease = own(await granted(plane, agent, "clm_1"));
  const refused = expect.objectContaining({ code: "output_invalid" });
  const { analysis, ...without } = await finished(plane, lease, "clm_2");
  expect(analysis).toBeDefined();
  await expect(agents.complete(plane, agent, without)).rejects.toEqual(refused);
  for (const next of ["clm_2", "clm_3"]) {
    const answer = await agents.complete(plane, agent, await finished(plane, lease, next));
    if (answer.verdict !== "accepted" || answer.next === undefined)
      throw new Error("nothing was handed over");
    lease = own(answer.next);
  }
  expect(lease.stage).toBe("finish");
  const whole = await finished(plane, lease);
  await expect(agents.complete(plane, agent, { ...whole, outputs: {} })).rejects.toEqual(refused);
  expect(stageOf(await jobOf(plane), "finish").status).toBe("leased");
  expect(await agents.complete(plane, agent, whole)).toEqual({ verdict: "accepted" });
});

test("a stage of an erased job, whose bytes are gone, is completed too late, not wrongly", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const analyzed = await agents.complete(
    plane,
    agent,
    await finished(plane, own(await granted(plane, agent, "clm_1")), "clm_2"),
  );
  if (analyzed.verdict !== "accepted" || analyzed.next === undefined) throw new Error("no next lease");
  const ask = await finished(plane, own(analyzed.next));
  await apply(plane, "job_1", { type: "erase-asked" });
  for (const { key } of Object.values(ask.outputs)) await plane.blobs.delete(key);
  expect(await agents.complete(plane, agent, ask)).toEqual({ verdict: "stale" });
});

test("a dead agent's stage is given to the next one that hears the doorbell", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const [a, b] = [await newAgent(plane), await newAgent(plane)];
  const stale = own(await granted(plane, a, "clm_1"));
  await plane.clock.advance(LEASE_MS + LEASE_GUARD_MS);
  const lease = await granted(plane, b, "clm_2");
  expect(lease).toMatchObject({ stage: "analyze", epoch: 2 });
  expect(await agents.complete(plane, a, await finished(plane, stale))).toEqual({ verdict: "stale" });
  expect(stageOf(await jobOf(plane), "analyze").tries).toEqual({ lost: 1 });
});

test("the sweeper alone finds a dead agent too", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  await granted(plane, await newAgent(plane), "clm_1");
  await plane.clock.advance(LEASE_MS + LEASE_GUARD_MS - 1);
  await sweep(plane);
  expect(stageOf(await jobOf(plane), "analyze").status).toBe("leased");
  await plane.clock.advance(1);
  await sweep(plane);
  expect(stageOf(await jobOf(plane), "analyze")).toMatchObject({ status: "ready", tries: { lost: 1 } });
});

test("an agent that beats and names its run keeps it as long as it likes; one that stops naming it loses it", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const { stage, epoch } = await granted(plane, agent, "clm_1");
  let seq = 0;
  for (let s = 0; s < 120; s += 5) {
    await plane.clock.advance(5_000);
    expect(
      await agents.beat(plane, agent, {
        seq: ++seq,
        runs: [{ job: "job_1", stage, epoch }],
        hot: [],
        ahead: false,
      }),
    ).toEqual({ drop: [], ahead: [] });
    await sweep(plane);
  }
  expect(stageOf(await jobOf(plane), "analyze")).toMatchObject({ status: "leased", epoch: 1 });
  for (let s = 0; s < 60; s += 5) {
    await plane.clock.advance(5_000);
    await agents.beat(plane, agent, { seq: ++seq, runs: [], hot: [], ahead: false });
    await sweep(plane);
  }
  expect(stageOf(await jobOf(plane), "analyze")).toMatchObject({ status: "ready", tries: { lost: 1 } });
});

test("a delayed beat never overwrites a newer one", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const { stage, epoch } = await granted(plane, agent, "clm_1");
  await plane.clock.advance(LEASE_MS);
  await agents.beat(plane, agent, { seq: 7, runs: [{ job: "job_1", stage, epoch }], hot: [], ahead: false });
  await agents.beat(plane, agent, { seq: 3, runs: [], hot: [], ahead: false });
  await plane.clock.advance(LEASE_GUARD_MS);
  await sweep(plane);
  expect(stageOf(await jobOf(plane), "analyze").status).toBe("leased");
});

test("a canceled job ends at once and its agent is told to drop it with the next beat", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const lease = own(await granted(plane, agent, "clm_1"));
  const run = { job: "job_1", stage: lease.stage, epoch: lease.epoch };
  await apply(plane, "job_1", { type: "cancel-asked" });
  expect((await jobOf(plane)).status).toBe("canceled");
  expect(await agents.beat(plane, agent, { seq: 1, runs: [run], hot: [], ahead: false })).toEqual({
    drop: [run],
    ahead: [],
  });
  expect(await agents.complete(plane, agent, await finished(plane, lease))).toEqual({ verdict: "stale" });
});

test("what an agent held is free at once when it says goodbye or its parent has reaped it", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  await granted(plane, agent, "clm_1");
  await agents.gone(plane, agent.id);
  expect(stageOf(await jobOf(plane), "analyze")).toMatchObject({ status: "ready", tries: { lost: 1 } });
  await agents.beat(plane, agent, { seq: 99, runs: [], hot: [], ahead: false });
  await granted(plane, await newAgent(plane), "clm_2");
});

test("what an agent held is found behind hundreds of other leases, named in its last beat or not", async () => {
  const plane = controlPlane();
  const busy = await newAgent(plane);
  const ids = Array.from({ length: 4_000 }, (_, n) => `job_${n}`).filter(
    (id) => shardOf(id, INDEX_SHARDS) === 0,
  );
  const [named = "", ...others] = ids.slice(0, 130);
  const claimed = others.at(-1) ?? "";
  const claim = async (job: string, agent: AgentRecord): Promise<void> => {
    await readyJob(plane, job);
    await agents.claim(plane, agent, { job, claimId: `clm_${job}` });
  };
  for (const job of others.slice(0, -1)) await claim(job, busy);
  await plane.clock.advance(1_000);
  const agent = await newAgent(plane);
  await claim(named, agent);
  const run = { job: named, stage: "analyze", epoch: 1 } as const;
  await agents.beat(plane, agent, { seq: 1, runs: [run], hot: [], ahead: false });
  await claim(claimed, agent);
  await agents.gone(plane, agent.id);
  for (const job of [named, claimed])
    expect(stageOf(await jobOf(plane, job), "analyze")).toMatchObject({
      status: "ready",
      tries: { lost: 1 },
    });
  expect(stageOf(await jobOf(plane, others[0]), "analyze")).toMatchObject({ status: "leased" });
});

test("a drained stage costs no try", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const { stage, epoch } = await granted(plane, agent, "clm_1");
  expect(await agents.release(plane, agent, { job: "job_1", stage, epoch })).toEqual({ verdict: "accepted" });
  expect(await agents.release(plane, agent, { job: "job_1", stage, epoch })).toEqual({ verdict: "stale" });
  expect((await granted(plane, agent, "clm_2")).epoch).toBe(2);
});

test("an agent that asks for any work is given what is ready, and nothing it cannot run", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const able = await newAgent(plane);
  const unable: AgentRecord = { ...able, can: { ...can, stages: ["finish"] } };
  expect(await agents.claim(plane, unable, { claimId: "clm_0" })).toEqual({ verdict: "gone" });
  expect(await agents.claim(plane, able, { claimId: "clm_1" })).toEqual({ verdict: "found", job: "job_1" });
  expect(await agents.claim(plane, able, { claimId: "clm_1", job: "job_1" })).toMatchObject({
    verdict: "granted",
    lease: { job: "job_1" },
  });
  expect(await agents.claim(plane, able, { claimId: "clm_2" })).toEqual({ verdict: "gone" });
});

test("work is found behind a dozen jobs that the agent cannot run", async () => {
  const plane = controlPlane();
  const ids = Array.from({ length: 4_000 }, (_, n) => `job_${n}`).filter(
    (id) => shardOf(id, INDEX_SHARDS) === 0,
  );
  const last = ids[12] ?? "";
  for (const id of ids.slice(0, 13)) await readyJob(plane, id);
  const able = await newAgent(plane);
  const first = await agents.claim(plane, able, { job: last, claimId: "clm_1" });
  if (first.verdict !== "granted") throw new Error("the stage was not granted");
  const next = own(first.lease);
  await agents.complete(plane, able, await finished(plane, next));
  const unable: AgentRecord = { ...able, can: { ...can, stages: ["upscale"] } };
  expect(await agents.claim(plane, unable, { claimId: "clm_2" })).toEqual({ verdict: "found", job: last });
});

test("a claim that is refused rings for nobody: an agent without the model does not wake itself forever", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const unable: AgentRecord = { ...(await newAgent(plane)), can: { ...can, stages: ["finish"] } };
  for (let n = 0; n < 5; n++)
    expect(await agents.claim(plane, unable, { job: "job_1", claimId: `clm_${n}` })).toEqual({
      verdict: "wait",
    });
  const bells = await plane.queue.receive({ max: 10, waitMs: 0, visibilityMs: 30_000 });
  expect(bells).toHaveLength(1);
});

test("a doorbell of a job that is over or unknown is to be deleted", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  await apply(plane, "job_1", { type: "cancel-asked" });
  expect(await agents.claim(plane, agent, { job: "job_1", claimId: "clm_1" })).toEqual({ verdict: "gone" });
  expect(await agents.claim(plane, agent, { job: "job_x", claimId: "clm_1" })).toEqual({ verdict: "gone" });
  expect(
    await agents.fail(plane, agent, {
      job: "job_x",
      stage: "analyze",
      epoch: 1,
      failure: "bug",
      message: "",
    }),
  ).toEqual({ verdict: "stale" });
});
