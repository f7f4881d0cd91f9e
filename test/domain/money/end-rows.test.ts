import { expect, test } from "vitest";
import { claim, completion, fresh, measures, blob, START, step } from "../job-fixture.ts";
import { newJob, type Job } from "#shared/domain/job.ts";
import { decide } from "#shared/domain/decide.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import type { Unrated } from "#shared/domain/money/unrated.ts";

const terms = {
  acceptedAt: START,
  month: "2027-01",
  rateClass: "standard",
  priceVersion: "p1",
  funding: "sub_1",
  units: 4,
  bound: 80,
} as const;

/** A job on terms whose last stage runs. */
function nearlyDone(): Job {
  const { id, org, options, input } = fresh();
  let job = newJob({ id, org, options, input, uploaded: true, terms }, START);
  job = step(job, { type: "intake-started" }, START);
  job = step(
    job,
    { type: "intake-done", epoch: 1, measures, image: blob("jobs/job_1/intake/e1-x.tif") },
    START,
  );
  job = step(job, claim("agt_a", "clm_1"), START);
  job = step(job, completion(job, "analyze", { nextClaimId: "clm_2" }), START + 1);
  return step(job, completion(job, "upscale", { nextClaimId: "clm_3" }), START + 2);
}

function unitsOf(size: { width?: number; height?: number }): number {
  const job = nearlyDone();
  const { width: _, height: __, ...image } = blob("jobs/job_1/finish/e1-x.png");
  const event = completion(job, "finish") as JobEvent & { type: "completed" };
  const { owing } = decide(job, { ...event, outputs: { image: { ...image, ...size } } }, START + 3);
  const row = owing[0]?.body as Unrated | undefined;
  return row?.units ?? Number.NaN;
}

test("units are those of the pixels delivered, and never more than agreed", () => {
  expect(unitsOf({ width: 4_000, height: 4_000 })).toBe(1);
  expect(unitsOf({ width: 4_001, height: 4_000 })).toBe(2);
  expect(unitsOf({ width: 30_000, height: 30_000 })).toBe(4);
});

test("a result whose size is not told is billed as agreed", () => {
  expect([unitsOf({}), unitsOf({ width: 10 })]).toEqual([4, 4]);
});

test("a cancel owes no units, and no meter hears of it", () => {
  const { owing } = decide(nearlyDone(), { type: "cancel-asked" }, START + 3);
  expect(owing.map(({ pk }) => pk.split("#")[0])).toEqual(["UNRATED", "OUTBOX"]);
  expect(owing[0]?.body).toMatchObject({ units: 0, outcome: "canceled" });
});
