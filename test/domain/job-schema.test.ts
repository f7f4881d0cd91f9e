import { expect, test } from "vitest";
import { claim, completion, fresh, ready, START, step } from "./job-fixture.ts";
import { readJob } from "#shared/domain/job-schema.ts";
import { stageOf, type Job } from "#shared/domain/job.ts";

const stored = (job: Job): Record<string, unknown> =>
  JSON.parse(JSON.stringify(job)) as Record<string, unknown>;

test("a stored job is read as it is, in every state of its life", () => {
  const leased = step(ready(), claim("agt_a", "clm_1"), START);
  const analyzed = step(leased, completion(leased, "analyze"), START + 1);
  const canceled = step(analyzed, { type: "cancel-asked" }, START + 2);
  for (const job of [fresh(false), fresh(), ready(), leased, analyzed, canceled]) {
    const body = stored(job);
    expect(readJob(body)).toBe(body);
    expect(readJob(body)).toEqual(job);
  }
});

test("what a newer version has added is kept", () => {
  const body = { ...stored(fresh()), mood: "hopeful" };
  expect(readJob(body)).toHaveProperty("mood", "hopeful");
});

test("whatever is damaged is one fault that names the field, and is not to be retried", () => {
  const damaged: [string, unknown][] = [
    ["document", null],
    ["document", "job"],
    ["stages", { ...stored(fresh()), stages: [] }],
    ["stages", { ...stored(fresh()), stages: [stageOf(fresh(), "analyze"), stageOf(fresh(), "analyze")] }],
    ["stages.0.epoch", { ...stored(fresh()), stages: [{ ...stageOf(fresh(), "analyze"), epoch: -1 }] }],
    ["stages.0.status", { ...stored(fresh()), stages: [{ ...stageOf(fresh(), "analyze"), status: "lost" }] }],
    ["status", { ...stored(fresh()), status: "lost" }],
    ["finishBy", { ...stored(fresh()), finishBy: "soon" }],
    ["intake", { ...stored(fresh()), intake: undefined }],
  ];
  for (const [field, body] of damaged) {
    const details = [expect.stringContaining(field)];
    expect(() => readJob(body)).toThrow(
      expect.objectContaining({
        code: "job_damaged",
        retryable: false,
        details: expect.arrayContaining(details) as unknown,
      }),
    );
  }
});
