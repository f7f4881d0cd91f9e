import { expect, test } from "vitest";
import type { JobEvent } from "#shared/domain/event.ts";
import { blob, fresh, measures, START, step } from "./job-fixture.ts";

const LATE: readonly JobEvent[] = [
  { type: "intake-failed", epoch: 1, code: "image_broken", message: "The file is damaged.", final: true },
  { type: "intake-lost", epoch: 1, why: "reader" },
  { type: "intake-done", epoch: 1, measures, image: blob("jobs/job_1/intake/e1-x.image.tif") },
];

test.each(LATE)("a job canceled while it was read stays as it is when its reader says $type", (late) => {
  const reading = step(fresh(), { type: "intake-started" }, START);
  const canceled = step(reading, { type: "cancel-asked" }, START + 1);
  expect(canceled.status).toBe("canceled");
  expect(step(canceled, late, START + 2)).toBe(canceled);
});
