import { expect, test } from "vitest";
import { controlPlane, jobOf, newAgent, readyJob, type ControlPlane } from "./control-plane-fixture.ts";
import * as agents from "#functions/agents/agents.ts";
import { sweep, SWEEP_LOOPS } from "#functions/sweep/sweep.ts";
import type { Fault } from "#shared/domain/fault.ts";
import { shardOf } from "#shared/domain/id.ts";
import { DUE_CLASSES, duePartition, jobIndexes, jobKey, stageOf, timeKey } from "#shared/domain/job.ts";
import {
  INDEX_SHARDS,
  LEASE_GUARD_MS,
  LEASE_MS,
  PAGE_ROWS_MAX,
  RING_AGAIN_MS,
} from "#shared/domain/limits.ts";
import type { Item } from "#shared/ports.ts";

const LAPSED_MS = LEASE_MS + LEASE_GUARD_MS;

async function leased(plane: ControlPlane, id = "job_1"): Promise<void> {
  await readyJob(plane, id);
  await agents.claim(plane, await newAgent(plane), { job: id, claimId: `clm_${id}` });
}

const analyzeOf = async (plane: ControlPlane, id: string) => stageOf(await jobOf(plane, id), "analyze");

test("2: a claim that is written after its agent was declared gone is found at the next look", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  await agents.gone(plane, agent.id);
  // Its call was authenticated before that.
  const answer = await agents.claim(plane, agent, { job: "job_1", claimId: "clm_1" });
  expect(answer.verdict).toBe("granted");
  await plane.clock.advance(LAPSED_MS);
  await sweep(plane);
  expect(await analyzeOf(plane, "job_1")).toMatchObject({ status: "ready", tries: { lost: 1 } });
});

test("5: what a sweeper leaves undone when it dies halfway is the next one's", async () => {
  const plane = controlPlane();
  for (const id of ["job_1", "job_2", "job_3"]) await leased(plane, id);
  await plane.clock.advance(LAPSED_MS);
  const death = new Error("killed");
  let writes = 0;
  const dying: ControlPlane = {
    ...plane,
    store: {
      ...plane.store,
      transact: (...ask) => {
        if ((writes += 1) > 1) throw death;
        return plane.store.transact(...ask);
      },
    },
    log: { ...plane.log, error: () => undefined },
  };
  await sweep(dying);
  await sweep(plane);
  for (const id of ["job_1", "job_2", "job_3"])
    expect(await analyzeOf(plane, id), id).toMatchObject({ status: "ready", tries: { lost: 1 } });
});

test("19: a dead agent's stage waits behind no row of retention, and behind no item that cannot be read", async () => {
  const plane = controlPlane();
  await leased(plane);
  const shard = shardOf("job_1", INDEX_SHARDS);
  const at = plane.clock.now();
  const rows = (kind: "retention" | "lease", count: number): Promise<unknown> => {
    const puts = Array.from({ length: count }, (_, i) => {
      const id = `${kind}_${String(i).padStart(4, "0")}`;
      const due = { pk: duePartition(kind, shard), sk: `${timeKey(at - 1_000)}#${id}` };
      const key = kind === "lease" ? jobKey(id) : { pk: id, sk: "ROW" };
      return { op: "put", item: { ...key, body: { junk: true }, indexes: { due } }, when: "absent" } as const;
    });
    return plane.store.transact(puts);
  };
  await rows("retention", PAGE_ROWS_MAX);
  await rows("lease", PAGE_ROWS_MAX);
  await plane.clock.advance(LAPSED_MS);
  // A page of damaged items comes first; they are put off, and the next round meets what stood behind them.
  await sweep({ ...plane, log: { ...plane.log, error: () => undefined } });
  await sweep(plane);
  expect(await analyzeOf(plane, "job_1")).toMatchObject({ status: "ready", tries: { lost: 1 } });
});

test("40: a job with one stage leased and another ready is due among leases, not behind the rings", async () => {
  const plane = controlPlane();
  await leased(plane);
  const job = await jobOf(plane);
  job.stages = job.stages.map((stage) =>
    stage.kind === "repair" ? { ...stage, status: "ready", readyAt: 0, ringAt: plane.clock.now() } : stage,
  );
  expect(jobIndexes(job).due?.pk).toMatch(/^DUE#lease#/);
  expect(jobIndexes(job).ready).toBeDefined();
});

test("37: a report that loses to five other writers in a row is answered busy, and counts when it is repeated", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  const agent = await newAgent(plane);
  const answer = await agents.claim(plane, agent, { job: "job_1", claimId: "clm_1" });
  if (answer.verdict !== "granted") throw new Error("not granted");
  let conflicts = 5;
  const contended: ControlPlane = {
    ...plane,
    store: {
      ...plane.store,
      transact: async (...ask) => {
        if ((conflicts -= 1) < 0) return plane.store.transact(...ask);
        return { ok: false, refusals: ["condition"] };
      },
    },
    clock: { ...plane.clock, sleep: async () => undefined },
  };
  const release = () => agents.release(contended, agent, { job: "job_1", stage: "analyze", epoch: 1 });
  await expect(release()).rejects.toMatchObject({
    kind: "busy",
    code: "store_busy",
  } satisfies Partial<Fault>);
  expect(await release()).toEqual({ verdict: "accepted" });
  const item = (await plane.store.get(jobKey("job_1"))) as Item;
  expect(stageOf(item.body as Awaited<ReturnType<typeof jobOf>>, "analyze").status).toBe("ready");
});

test("a class whose engine hangs is left after half a minute, and each class goes round in one of the loops", async () => {
  const plane = controlPlane();
  for (let n = 0; n < 40; n += 1) await readyJob(plane, `job_${n}`);
  await plane.clock.advance(RING_AGAIN_MS);
  const hanging: ControlPlane = { ...plane, perform: () => plane.clock.advance(8_000) };
  expect(await sweep(hanging, { classes: ["ring"] })).toBeLessThan(20);
  expect(await sweep(plane, { classes: ["ring"] })).toBeGreaterThan(20);
  expect(SWEEP_LOOPS.flat()).toEqual(DUE_CLASSES);
  expect(SWEEP_LOOPS[0]).toEqual(["lease"]);
});
