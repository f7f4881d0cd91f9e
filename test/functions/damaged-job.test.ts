import { expect, test } from "vitest";
import { controlPlane, jobOf, readyJob } from "./control-plane-fixture.ts";
import { sweep } from "#functions/sweep/sweep.ts";
import { jobKey } from "#shared/domain/job.ts";
import { RING_AGAIN_MS } from "#shared/domain/limits.ts";
import type { Item } from "#shared/ports.ts";

test("a job whose record is damaged is logged and put off, and holds up no other", async () => {
  const plane = controlPlane();
  await readyJob(plane, "job_1");
  await readyJob(plane, "job_2");
  const item = (await plane.store.get(jobKey("job_1"))) as Item;
  const body = { ...(item.body as object), finishBy: null };
  await plane.store.transact([{ op: "put", item: { ...item, body }, when: { rev: item.rev } }]);

  await plane.clock.advance(RING_AGAIN_MS);
  await sweep(plane);
  expect(plane.lines.filter((line) => line.includes("job_damaged"))).toHaveLength(1);
  expect(plane.lines.join()).toContain('"level":"error"');
  expect((await jobOf(plane, "job_2")).stages[0]).toMatchObject({ rings: 1 });

  await sweep(plane);
  expect(plane.lines.filter((line) => line.includes("job_damaged"))).toHaveLength(1);
  expect(await plane.store.get(jobKey("job_1"))).toMatchObject({ body });
});
