/** What time alone does to a job: deadlines of its tries, its customer and its operator, and bells rung again. */
import { expect, test } from "vitest";
import { claim, completion, fresh, ready, START, step } from "./job-fixture.ts";
import { FLEET } from "#shared/domain/budget.ts";
import { decide } from "#shared/domain/decide.ts";
import { nextDue, owed, stageOf } from "#shared/domain/job.ts";
import { FINISH_WITHIN_MS, HARD_DEADLINE_MS, RING_AGAIN_MS } from "#shared/domain/limits.ts";
import { isOpen } from "#shared/domain/stage.ts";

test("a try past its hard deadline counts as crashed, held or not", () => {
  const job = step(ready(), claim("agt_a", "clm_1"), START);
  expect(step(job, { type: "due" }, START + HARD_DEADLINE_MS - 1)).toBe(job);
  expect(stageOf(step(job, { type: "due" }, START + HARD_DEADLINE_MS), "analyze")).toMatchObject({
    status: "ready",
    tries: { crashed: 1 },
  });
});

test("a ready stage nobody claims is rung again, later each time", () => {
  let job = ready();
  const gaps: number[] = [];
  let last = START;
  for (let n = 0; n < 6; n++) {
    const due = nextDue(job)?.at ?? 0;
    gaps.push(due - last);
    job = step(job, { type: "due" }, due);
    expect(owed(job, due)).toContainEqual({ do: "ring", job: "job_1", org: "org_1", delayMs: 0 });
    last = due;
  }
  expect(gaps).toEqual([1, 2, 4, 8, 16, 18].map((n) => n * RING_AGAIN_MS));
});

test("a photograph that its customer wants begun by then is not begun later, and expires unbilled", () => {
  const asked = { deadline: { start_within: 60 } };
  const late = START + 60_000;
  const job = ready(fresh(true, asked));
  expect(nextDue(job)?.at).toBe(START + RING_AGAIN_MS);
  expect(step(job, claim("agt_a", "clm_1"), late - 1).status).toBe("processing");
  expect(step(job, claim("agt_a", "clm_1"), late)).toBe(job);
  expect(nextDue(step(job, { type: "due" }, late - 1))?.at).toBe(late);
  const { job: expired } = decide(job, { type: "due" }, late);
  expect(expired).toMatchObject({ status: "expired", error: { code: "deadline_exceeded" } });
  expect(expired.stages.some(isOpen)).toBe(false);
  const begun = step(job, claim("agt_a", "clm_1"), late - 1);
  expect(step(begun, { type: "due" }, late).status).toBe("processing");
});

test("a restoration that its customer wants ended by then fails later, in the middle of a stage, too", () => {
  const job = ready(fresh(true, { deadline: { finish_within: 10 } }));
  const begun = step(job, claim("agt_a", "clm_1"), START);
  expect(nextDue(begun)?.at).toBe(START + 10_000);
  expect(step(begun, { type: "due" }, START + 9_999).status).toBe("processing");
  const failed = step(begun, { type: "due" }, START + 10_000);
  expect(failed).toMatchObject({ status: "failed", error: { code: "deadline_exceeded" } });
  expect(step(failed, completion(begun, "analyze"), START + 10_001)).toBe(failed);
});

test("after an outage an operator gives every job more time, once; what its customer has set stands", () => {
  const grace = { ...FLEET, graceMs: 3_600_000 };
  const begun = step(ready(), claim("agt_a", "clm_1"), START);
  const late = START + FINISH_WITHIN_MS;
  const extended = step(begun, { type: "due" }, late, grace);
  expect(extended).toMatchObject({ status: "processing", finishBy: late + 3_600_000 });
  expect(step(extended, { type: "due" }, extended.finishBy, grace).status).toBe("failed");
  const own = ready(fresh(true, { deadline: { finish_within: 10 } }));
  expect(step(own, { type: "due" }, START + 10_000, grace).status).toBe("failed");
});

test("deadlines count from when the photograph is there", () => {
  const job = fresh(false, { deadline: { start_within: 60, finish_within: 86_400 } });
  expect(job).not.toHaveProperty("startBy");
  const there = step(job, { type: "uploaded" }, START + 1_000);
  expect(there.startBy).toBe(START + 61_000);
  expect(there.finishBy, "nobody is promised more than a day").toBe(START + FINISH_WITHIN_MS);
});
