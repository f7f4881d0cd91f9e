import { expect, test } from "vitest";
import { claim, completion, fresh, ready, START, step } from "./job-fixture.ts";
import { jobBreach, jobIndexes, kept, nextDue, owed, type Job } from "#shared/domain/job.ts";
import {
  DISCARD_AFTER_MS,
  DISCARD_AGAIN_MS,
  HARD_DEADLINE_MS,
  UPLOAD_TTL_MS,
} from "#shared/domain/limits.ts";

const AGAIN_MS = HARD_DEADLINE_MS + DISCARD_AGAIN_MS;
const LATER = START + 10_000;

function succeeded(): Job {
  let job = step(ready(), claim("agt_a", "clm_1"), START);
  job = step(job, completion(job, "analyze", { nextClaimId: "clm_2" }), START + 1);
  job = step(job, completion(job, "upscale", { nextClaimId: "clm_3" }), START + 2);
  return step(job, completion(job, "finish"), START + 3);
}
const erase = (job: Job, now = LATER): Job => step(job, { type: "erase-asked" }, now);
const discards = (job: Job, now: number) => owed(job, now).filter((command) => command.do === "discard");

test("erasing cancels what runs and expires what has succeeded; what has ended otherwise stays so", () => {
  const failed = step(ready(), { type: "due" }, START + 25 * 3_600_000);
  const statuses = [fresh(false), ready(), succeeded(), failed].map((job) => {
    const erased = erase(job, START + 26 * 3_600_000);
    expect(jobBreach(erased)).toBeUndefined();
    return erased.status;
  });
  expect(statuses).toEqual(["canceled", "canceled", "expired", "failed"]);
});

test("its bytes are owed to deletion at once, and again when no try that ran then can still write", () => {
  const erased = erase(succeeded());
  expect(discards(erased, LATER)).toMatchObject([{ keep: [], at: LATER }]);
  expect(nextDue(erased)).toEqual({ of: "retention", at: LATER });
  const once = step(erased, { type: "discarded", kept: [], at: LATER }, LATER + 50);
  expect(discards(once, LATER + 50)).toEqual([]);
  // The upload's slot was open for longer than any stage may run.
  const again = Math.max(once.uploadBy - LATER, HARD_DEADLINE_MS) + DISCARD_AGAIN_MS + LATER;
  expect(nextDue(once)).toEqual({ of: "retention", at: again });
  expect(again - LATER).toBeGreaterThanOrEqual(AGAIN_MS);
  expect(discards(once, again)).toHaveLength(1);
  const gone = step(once, { type: "discarded", kept: [], at: again }, again);
  expect(nextDue(gone)).toBeUndefined();
  expect(owed(gone, again)).toEqual([]);
});

test("a first deletion that is told twice, or told late, never stands for the second", () => {
  const once = step(erase(succeeded()), { type: "discarded", kept: [], at: LATER }, LATER + 50);
  const againAt = once.discardAgainAt ?? 0;
  expect(step(once, { type: "discarded", kept: [], at: LATER }, againAt + 1)).toBe(once);
});

test("a deletion that kept the result does not stand for its erasure, nor for the end of its retention", () => {
  const job = succeeded();
  const keep = kept(job);
  expect(keep).not.toEqual([]);
  const slow = { type: "discarded", kept: keep, at: LATER } as const;
  expect(erase(job)).toEqual(step(erase(job), slow, LATER + 1));
  const end = job.expiresAt ?? 0;
  const expired = step(job, { type: "due" }, end);
  expect(expired.status).toBe("expired");
  expect(step(expired, slow, end + 1)).toBe(expired);
  expect(step(job, slow, START + DISCARD_AFTER_MS).discarded).toBe(true);
});

test("erased again it changes nothing; it is listed no more, and what its owner wrote beside it is gone", () => {
  const job = { ...succeeded() };
  job.options = { ...job.options, external_id: "order-1", metadata: { file_name: "grandma.jpg" } };
  const erased = erase(job);
  expect(erase(erased, LATER + 1)).toBe(erased);
  expect(jobIndexes(job).org).toBeDefined();
  expect(jobIndexes(erased).org).toBeUndefined();
  expect(JSON.stringify(erased.options)).not.toMatch(/order-1|grandma/);
});

test("what was being written while it was erased is refused", () => {
  const job = step(ready(), claim("agt_a", "clm_1"), START);
  const erased = erase(job);
  const late = completion(job, "analyze", { agent: "agt_a" });
  expect(step(erased, late, LATER + 1)).toBe(erased);
  expect(step(erased, { type: "intake-lost", epoch: 1, why: "reader" }, LATER)).toBe(erased);
});

test.each([
  [
    "canceled in the middle of a stage",
    (): Job => step(ready(), claim("agt_a", "clm_1"), START),
    HARD_DEADLINE_MS,
  ],
  ["canceled before its upload", (): Job => fresh(false), UPLOAD_TTL_MS - (LATER - START)],
])("what was %s is deleted again once nobody can still write", (_how, made, writesMs) => {
  const canceled = step(made(), { type: "cancel-asked" }, LATER);
  const first = LATER + DISCARD_AFTER_MS;
  expect(nextDue(canceled)).toEqual({ of: "retention", at: first });
  const once = step(canceled, { type: "discarded", kept: [], at: first }, first);
  const again = LATER + Math.max(writesMs, UPLOAD_TTL_MS - (LATER - START)) + DISCARD_AGAIN_MS;
  expect(nextDue(once)).toEqual({ of: "retention", at: again });
  expect(step(once, { type: "discarded", kept: [], at: first }, again)).toBe(once);
  const gone = step(once, { type: "discarded", kept: [], at: again }, again);
  expect(gone.discarded).toBe(true);
  expect(nextDue(gone)).toBeUndefined();
});
