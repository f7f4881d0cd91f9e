import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import {
  controlPlane,
  finished,
  jobOf,
  newAgent,
  readyJob,
  type ControlPlane,
} from "../control-plane-fixture.ts";
import { fresh } from "../../domain/job-fixture.ts";
import { breakJob, findingsOf, kindsOf, writeRaw } from "./broken-store.ts";
import * as agents from "#functions/agents/agents.ts";
import { apply, jobItem } from "#functions/apply.ts";
import { audit } from "#functions/audit/audit.ts";
import { FINDINGS, findingLine } from "#functions/audit/finding.ts";
import { DISCARD_AFTER_MS, FINISH_WITHIN_MS } from "#shared/domain/limits.ts";
import { jobKey, stageOf, type Job } from "#shared/domain/job.ts";
import type { Stage, StageKind } from "#shared/domain/stage.ts";
import type { Blobs, Item } from "#shared/ports.ts";

/** A job in the middle of its analysis, leased to an agent that lives. */
async function leasedJob() {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const answer = await agents.claim(plane, agent, { job: "job_1", claimId: "clm_1" });
  if (answer.verdict !== "granted") throw new Error("nothing was granted");
  return { plane, agent, lease: answer.lease };
}

/** A job that went its whole way through the control API. @param look is called after every step. */
async function succeededJob(look: (plane: ControlPlane) => Promise<void> = async () => undefined) {
  const { plane, agent, lease: first } = await leasedJob();
  await look(plane);
  let claims = 1;
  for (let lease: typeof first | undefined = first; lease !== undefined;) {
    const done = await finished(plane, lease as Parameters<typeof finished>[1], `clm_${(claims += 1)}`);
    const answer = await agents.complete(plane, agent, done);
    lease = answer.verdict === "accepted" ? answer.next : undefined;
    await look(plane);
  }
  if ((await jobOf(plane)).status !== "succeeded") throw new Error("the job did not succeed");
  return plane;
}

const stage = (job: Job, kind: StageKind, change: Partial<Stage>): void =>
  void Object.assign(stageOf(job, kind), change);

test("a job is sound at every step of its life, down to its bytes and until they are deleted", async () => {
  const plane = await succeededJob(async (at) => expect(await findingsOf(at, "bytes")).toEqual([]));
  await plane.clock.advance(DISCARD_AFTER_MS);
  await apply(plane, "job_1", { type: "due" });
  expect(await jobOf(plane)).toMatchObject({ status: "succeeded", discarded: true });
  expect(await findingsOf(plane, "bytes")).toEqual([]);
});

test("a canceled job and one whose agent was lost are sound", async () => {
  const { plane } = await leasedJob();
  await plane.clock.advance(24_000);
  await apply(plane, "job_1", { type: "looked", stage: "analyze", epoch: 1, held: false, lookAt: 0 });
  expect(await findingsOf(plane, "bytes")).toEqual([]);
  await apply(plane, "job_1", { type: "cancel-asked" });
  expect(await findingsOf(plane, "bytes")).toEqual([]);
});

test("a job that does not follow its schema is one finding that names the field", async () => {
  const { plane } = await leasedJob();
  await breakJob(plane.store, (job) => Object.assign(job, { finishBy: "tomorrow" }));
  const [finding, ...others] = (await findingsOf(plane)).filter(({ kind }) => kind === "item_damaged");
  expect(finding?.what).toContain("finishBy");
  expect(others).toEqual([]);
});

test("an item under another's key is found", async () => {
  const { plane } = await leasedJob();
  await writeRaw(plane.store, { ...jobKey("job_2"), body: fresh() });
  expect(await kindsOf(plane)).toContain("item_misfiled");
});

test("a job that is open after its last instant is found, and that nobody sweeps", async () => {
  const { plane } = await leasedJob();
  await plane.clock.advance(FINISH_WITHIN_MS + 901_000);
  expect(await kindsOf(plane)).toEqual(["job_overdue", "lease_orphaned", "timer_overdue"]);
});

test("a job that expired at its deadline is sound; one that nobody ended then, or nobody explains, is found", async () => {
  const plane = controlPlane();
  await readyJob(plane, "job_1", { deadline: { start_within: 60 } });
  await plane.clock.advance(60_000);
  await apply(plane, "job_1", { type: "due" });
  expect(await jobOf(plane)).toMatchObject({ status: "expired" });
  expect(await findingsOf(plane, "bytes")).toEqual([]);
  await breakJob(plane.store, (job) => delete job.error);
  expect(await kindsOf(plane)).toEqual(["end_inconsistent"]);
  const unswept = controlPlane();
  await readyJob(unswept, "job_1", { deadline: { start_within: 60 } });
  await unswept.clock.advance(60_000 + 901_000);
  expect(await kindsOf(unswept)).toEqual(["job_overdue", "timer_overdue"]);
});

test("a job in which nothing moves is found", async () => {
  const { plane } = await leasedJob();
  await breakJob(plane.store, (job) => (job.stages = job.stages.filter(({ kind }) => kind !== "analyze")));
  expect(await kindsOf(plane)).toEqual(["job_stalled", "stage_stuck"]);
});

test("a stage that waits for nothing, and one that did not wait, are found", async () => {
  const { plane } = await leasedJob();
  await breakJob(plane.store, (job) => (stageOf(job, "repair").deps = []));
  expect(await kindsOf(plane)).toEqual(["stage_stuck"]);
  await breakJob(plane.store, (job) => {
    stage(job, "repair", { deps: ["analyze"] });
    const now = plane.clock.now();
    stage(job, "denoise", { status: "ready", readyAt: now, ringAt: now });
  });
  expect(await kindsOf(plane)).toEqual(["stage_early"]);
});

test("a lease without owner or timers, and one that nobody looks at in time, are found", async () => {
  const { plane } = await leasedJob();
  await breakJob(plane.store, (job) => delete stageOf(job, "analyze").claimId);
  expect(await kindsOf(plane)).toEqual(["item_damaged"]);
  await breakJob(plane.store, (job) => stage(job, "analyze", { claimId: "clm_1", epoch: 0 }));
  expect(await kindsOf(plane)).toEqual(["lease_incomplete"]);
  await breakJob(plane.store, (job) =>
    stage(job, "analyze", { epoch: 1, lookAt: plane.clock.now() + 90_000 }),
  );
  expect(await kindsOf(plane)).toEqual(["lease_unwatched"]);
});

test("a lease of an agent that died long ago is found, and one whose agent lives is not", async () => {
  const { plane, agent } = await leasedJob();
  const atLater = async (): Promise<void> => {
    await plane.clock.advance(400_000);
    await breakJob(plane.store, (job) => stage(job, "analyze", { lookAt: plane.clock.now() }));
  };
  await atLater();
  expect(await kindsOf(plane)).toEqual(["lease_orphaned"]);
  await agents.beat(plane, agent, {
    seq: 1,
    runs: [{ job: "job_1", stage: "analyze", epoch: 1 }],
    hot: [],
    ahead: false,
  });
  expect(await kindsOf(plane)).toEqual([]);
});

test("an agent that would never be held dead is found", async () => {
  const { plane, agent } = await leasedJob();
  const item = (await plane.store.get({ pk: `AGENT#${agent.id}`, sk: "AGENT" })) as Item;
  const body = { ...agent, expiresAt: plane.clock.now() + 3_600_000 };
  await writeRaw(plane.store, { ...item, body });
  expect(await kindsOf(plane)).toEqual(["agent_immortal"]);
  await writeRaw(plane.store, { ...item, body: { ...body, runs: "none" } });
  expect(await kindsOf(plane)).toEqual(["item_damaged"]);
});

test("a timer that is not the next deadline, and a ready stage that no index names, are found", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  await breakJob(
    plane.store,
    () => undefined,
    ({ due, ...ought }) => ({ ...ought, due: { pk: due?.pk ?? "", sk: `999999999999999#job_1` } }),
  );
  expect(await kindsOf(plane)).toEqual(["timer_wrong"]);
  await breakJob(
    plane.store,
    () => undefined,
    ({ ready: _ready, ...ought }) => ought,
  );
  expect(await kindsOf(plane)).toEqual(["ready_unlisted"]);
  await breakJob(
    plane.store,
    () => undefined,
    ({ org: _org, ...ought }) => ought,
  );
  expect(await kindsOf(plane)).toEqual(["entry_wrong"]);
});

test("an index that lost an entry, and one that kept it, are found", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const { store } = plane;
  const deaf = { ...plane, store: { ...store, nominate: async () => ({ rows: [] }) } };
  expect(await kindsOf(deaf)).toEqual(["entry_missing"]);
  const ghost = { pk: "JOB#job_0", sk: "JOB", at: "000000000000001#job_0" };
  const nominate: typeof store.nominate = async (index, pk, range) =>
    index === "ready" && pk === "READY#standard#any#0"
      ? { rows: [ghost] }
      : await store.nominate(index, pk, range);
  expect(await kindsOf({ ...plane, store: { ...store, nominate } })).toEqual(["entry_stale"]);
});

test("an end that is not whole is found", async () => {
  const broken: ((job: Job) => void)[] = [
    (job) => delete job.endedAt,
    (job) => (job.error = { code: "infra", message: "…" }),
    (job) => stage(job, "repair", { status: "canceled" }),
    (job) => stage(job, "repair", { status: "blocked" }),
  ];
  for (const change of broken) {
    const plane = await succeededJob();
    await breakJob(plane.store, change);
    expect(await kindsOf(plane)).toContain("end_inconsistent");
  }
});

test("a success without a result, and a stage that nobody did, are found", async () => {
  const plane = await succeededJob();
  await breakJob(plane.store, (job) => stage(job, "finish", { outputs: {} }));
  expect(await kindsOf(plane)).toEqual(["result_missing"]);
  const other = await succeededJob();
  await breakJob(other.store, (job) => delete stageOf(job, "analyze").agent);
  expect(await kindsOf(other)).toEqual(["result_missing"]);
});

test("an output that was accepted under another epoch is found", async () => {
  const plane = await succeededJob();
  await breakJob(plane.store, (job) => stage(job, "finish", { epoch: 2, tries: { lost: 1 } }));
  expect(await kindsOf(plane)).toEqual(["output_foreign"]);
});

test("timers that outlived their stage are found", async () => {
  const plane = await succeededJob();
  await breakJob(plane.store, (job) => stage(job, "finish", { lookAt: 1 }));
  expect(await kindsOf(plane)).toEqual(["timer_left"]);
});

test("more claims than tries, and more tries than a budget has, are found", async () => {
  const { plane } = await leasedJob();
  await breakJob(plane.store, (job) => stage(job, "analyze", { epoch: 3, tries: { lost: 1 } }));
  expect(await kindsOf(plane)).toEqual(["claims_unexplained"]);
  await breakJob(plane.store, (job) => stage(job, "analyze", { epoch: 3, tries: { oom: 4 } }));
  expect(await kindsOf(plane)).toEqual(["budget_overrun"]);
});

test("rows without what they belong to are found", async () => {
  const { plane, agent, lease } = await leasedJob();
  await agents.complete(plane, agent, await finished(plane, lease as Parameters<typeof finished>[1]));
  await plane.store.transact([{ op: "delete", key: { pk: "JOB#job_1", sk: "PLAN" } }]);
  expect(await kindsOf(plane)).toEqual(["plan_missing"]);
  await plane.store.transact([{ op: "delete", key: jobKey("job_1") }]);
  await writeRaw(plane.store, { pk: "JOB#job_1", sk: "PLAN", body: {} });
  await writeRaw(plane.store, { pk: "UPLOAD#upl_1", sk: "UPLOAD", body: { usedBy: "job_1" } });
  expect(await kindsOf(plane)).toEqual(["plan_orphaned", "upload_orphaned"]);
});

test("an accepted object that is gone, has another checksum on record, or other bytes, is found", async () => {
  const plane = await succeededJob();
  const key = stageOf(await jobOf(plane), "finish").outputs?.["image"]?.key ?? "";
  await plane.blobs.delete(key);
  expect(await kindsOf(plane, "heads")).toEqual(["blob_missing"]);
  await plane.blobs.write(key, Buffer.from("others"), "image/tiff");
  expect(await kindsOf(plane, "heads")).toEqual(["blob_changed"]);

  const rotten = await succeededJob();
  const sha = (await jobOf(rotten)).intake.image?.sha256 ?? "";
  const download: Blobs["download"] = async (name, path) => {
    const other = name.includes("intake")
      ? await rotten.blobs.write("rot", Buffer.from("rot"), "x/y")
      : undefined;
    return await rotten.blobs.download(other?.key ?? name, path);
  };
  const [finding, ...others] = await findingsOf({ ...rotten, blobs: { ...rotten.blobs, download } }, "bytes");
  expect(finding).toMatchObject({ kind: "blob_changed" });
  expect(finding?.what).toContain(createHash("sha256").update("rot").digest("hex"));
  expect(finding?.what).not.toContain(sha);
  expect(others).toEqual([]);
});

test("bytes that outlived their retention are found", async () => {
  const plane = await succeededJob();
  await plane.clock.advance(DISCARD_AFTER_MS);
  await apply(plane, "job_1", { type: "due" });
  await plane.blobs.write("jobs/job_1/upscale/e1-late.image.tif", Buffer.from("late"), "image/tiff");
  expect(await kindsOf(plane, "heads")).toEqual(["bytes_left"]);
});

test("what was broken for an instant is not found: whoever writes meanwhile is right", async () => {
  const { plane } = await leasedJob();
  const whole = await jobOf(plane);
  await breakJob(plane.store, (job) => delete stageOf(job, "analyze").claimId);
  const mend = (): Promise<void> => writeRaw(plane.store, jobItem(whole));
  expect(await findingsOf(plane, undefined, mend)).toEqual([]);
});

test("a job that is gone by the second reading is no finding", async () => {
  const { plane } = await leasedJob();
  await breakJob(plane.store, (job) => delete stageOf(job, "analyze").claimId);
  const remove = async (): Promise<void> =>
    void (await plane.store.transact([{ op: "delete", key: jobKey("job_1") }]));
  expect(await findingsOf(plane, undefined, remove)).toEqual([]);
});

test("items of kinds that this version does not know are counted and left alone", async () => {
  const { plane } = await leasedJob();
  await writeRaw(plane.store, { pk: "COMET#1", sk: "TAIL", body: 1 });
  const found = {
    parts: 1,
    onFinding: () => undefined,
    onUncompared: () => undefined,
    onProgress: () => undefined,
  };
  expect(await audit({ store: plane.store, clock: plane.clock }, found)).toEqual({
    items: 3,
    jobs: 1,
    unknown: 1,
    uncompared: 0,
    findings: 0,
  });
});

test("an audit of 10,000 jobs holds no more than a few pages of them at any time", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const plane = controlPlane();
  const job = fresh();
  for (let n = 0; n < 10_000; n += 100) {
    const ids = Array.from({ length: 100 }, (_, i) => `job_${String(n + i).padStart(5, "0")}`);
    await plane.store.transact(
      ids.map((id) => ({ op: "put", item: jobItem({ ...job, id }), when: "absent" })),
    );
  }
  const pages: WeakRef<Item>[][] = [];
  let heldMax = 0;
  const scan: typeof plane.store.scan = async (range) => {
    const page = await plane.store.scan(range);
    pages.push(page.rows.map((item) => new WeakRef(item)));
    if (pages.length % 20 === 0) {
      // What was referred to in this turn of the event loop is collected in the next.
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
      const before = pages.slice(0, -2).flat();
      heldMax = Math.max(heldMax, before.filter((item) => item.deref() !== undefined).length);
    }
    return page;
  };
  const store = { ...plane.store, scan };
  const counts = await audit(
    { store, clock: { now: () => plane.clock.now(), sleep: async () => undefined } },
    { parts: 1, onFinding: () => undefined, onUncompared: () => undefined, onProgress: () => undefined },
  );
  expect(counts).toMatchObject({ items: 10_000, jobs: 10_000 });
  expect(pages.length).toBeGreaterThanOrEqual(100);
  expect(heldMax).toBeLessThanOrEqual(300);
});

test("every finding is one line with its invariant and what to do", () => {
  for (const kind of Object.keys(FINDINGS) as (keyof typeof FINDINGS)[]) {
    const line = findingLine({ kind, key: { pk: "JOB#job_1", sk: "JOB" }, what: "it is broken" });
    expect(line).toMatch(/^[a-z_]+( \(invariant \d+\))?: JOB#job_1\/JOB: it is broken; .{10,}$/);
  }
});
