import { expect, test } from "vitest";
import { blob, fresh, measures, START, step } from "./job-fixture.ts";
import { nextDue, owed } from "#shared/domain/job.ts";
import {
  backoffMs,
  INTAKE_ASK_AGAIN_MS,
  INTAKE_AWAY_MAX,
  INTAKE_TRIES_MAX,
  INTAKE_LOST_MAX,
  UPLOAD_LOOK_MS,
  UPLOAD_TTL_MS,
} from "#shared/domain/limits.ts";

test("an upload that never comes expires the job; one whose event was lost is found", () => {
  const job = fresh(false);
  expect(step(job, { type: "due", objectThere: false }, START + UPLOAD_LOOK_MS - 1)).toBe(job);
  expect(step(job, { type: "due", objectThere: false }, START + UPLOAD_TTL_MS - 1).status).toBe(
    "awaiting_upload",
  );
  expect(step(job, { type: "due", objectThere: false }, START + UPLOAD_TTL_MS).status).toBe("expired");
  expect(step(job, { type: "due", objectThere: true }, START + UPLOAD_TTL_MS).status).toBe("queued");
});

test("a job looks for its upload itself, later and later, and never after its slot has closed", () => {
  let job = fresh(false);
  const looks: number[] = [];
  while (job.status === "awaiting_upload") {
    const due = nextDue(job)?.at ?? 0;
    looks.push((due - START) / UPLOAD_LOOK_MS);
    job = step(job, { type: "due", objectThere: false }, due);
  }
  expect(looks).toEqual([1, 2, 4, 8, 16, 32, 60]);
  const found = step(fresh(false), { type: "due", objectThere: true }, START + UPLOAD_LOOK_MS);
  expect(owed(found, START + UPLOAD_LOOK_MS)).toEqual([{ do: "intake", job: "job_1" }]);
});

test("an image that kills its reader ends after its tries; a reader that was killed, or fell silent, costs none", () => {
  let job = fresh();
  let now = START;
  for (let n = 1; n <= 5; n++) {
    now += 1_000_000;
    job = step(job, { type: "intake-started" }, now);
    const lost = { type: "intake-lost", epoch: job.intake.epoch, why: "reader" } as const;
    job = step(job, n % 2 === 0 ? lost : { type: "due" }, job.intake.until ?? 0);
  }
  expect(job.intake).toMatchObject({ status: "ready", tries: 0, lost: 5, epoch: 5 });
  for (let n = 1; n <= INTAKE_TRIES_MAX; n++) {
    now += 1_000_000;
    job = step(job, { type: "intake-started" }, now);
    const dead = { code: "input_unreadable", message: "The file cannot be read.", final: false } as const;
    job = step(job, { type: "intake-failed", epoch: job.intake.epoch, ...dead }, now);
  }
  expect(job).toMatchObject({ status: "failed", error: { code: "input_unreadable" } });
});

test.each([
  ["reader", INTAKE_LOST_MAX, "infra", 0.5],
  ["disk_full", INTAKE_LOST_MAX, "disk_full", 0.5],
  ["engine", INTAKE_AWAY_MAX, "infra", 18],
] as const)(
  "an intake that is lost again and again ends as ours, not as the image's, later or sooner: %s",
  (why, max, code, hours) => {
    let job = fresh();
    let now = START;
    for (let n = 1; n <= max; n++) {
      expect(job.status).toBe("queued");
      now = Math.max(now, job.intake.until ?? 0);
      job = step(job, { type: "intake-started" }, now);
      job = step(job, { type: "intake-lost", epoch: n, why }, now);
    }
    expect(job).toMatchObject({ status: "failed", error: { code }, intake: { status: "failed", tries: 0 } });
    expect(now - START).toBeGreaterThan(hours * 3_600_000);
    expect(now).toBeLessThan(job.finishBy);
  },
);

test("a late answer of an intake that was given up changes nothing", () => {
  const first = step(fresh(), { type: "intake-started" }, START);
  const again = step(
    step(first, { type: "due" }, first.intake.until ?? 0),
    { type: "intake-started" },
    START + 1_000_000,
  );
  expect(again.intake.epoch).toBe(2);
  expect(
    step(
      again,
      { type: "intake-done", epoch: 1, measures, image: blob("jobs/job_1/intake/e1-x.image.tif") },
      START + 1_000_001,
    ),
  ).toBe(again);
});

test("a reading that nobody begins is asked for again, later each time, and stands before no other timer meanwhile", () => {
  let job = fresh();
  const gaps: number[] = [];
  let last = START;
  for (let n = 0; n < 6; n++) {
    const due = nextDue(job)?.at ?? 0;
    gaps.push((due - last) / INTAKE_ASK_AGAIN_MS);
    job = step(job, { type: "due" }, due);
    expect(owed(job, due)).toEqual([{ do: "intake", job: "job_1" }]);
    last = due;
  }
  expect(gaps).toEqual([1, 2, 4, 8, 10, 10]);
  const reading = step(job, { type: "intake-started" }, last);
  expect(reading.intake).not.toHaveProperty("askAt");
  expect(nextDue(reading)).toEqual({ of: "lease", at: reading.intake.until });
});

test("a reading that was given up and ends well after all counts, until another has begun", () => {
  const reading = step(fresh(), { type: "intake-started" }, START);
  const lost = step(reading, { type: "due" }, reading.intake.until ?? 0);
  expect(lost.intake).toMatchObject({ status: "ready", lost: 1 });
  const done = {
    type: "intake-done",
    epoch: 1,
    measures,
    image: blob("jobs/job_1/intake/e1-x.image.tif"),
  } as const;
  const late = step(lost, done, START + 1_000_000);
  expect(late.intake).toMatchObject({ status: "done", epoch: 1 });
  expect(late.intake).not.toHaveProperty("askAt");
  const second = step(lost, { type: "intake-started" }, START + 1_000_000);
  expect(step(second, done, START + 1_000_001)).toBe(second);
  expect(step(fresh(), { ...done, epoch: 0 }, START).intake.status).toBe("ready");
});

test("a large file is given longer to be read", () => {
  const job = fresh();
  const large = { ...job, input: { ...job.input, bytes: 60_000_000 } };
  const untilOf = (each: typeof job): number =>
    step(each, { type: "intake-started" }, START).intake.until ?? 0;
  expect(untilOf(large) - untilOf(job)).toBeGreaterThan(290_000);
});

test("a record of an earlier version, which has no such timer yet, is asked for at once", () => {
  const job = fresh();
  const { askAt: _, ...intake } = job.intake;
  const old = { ...job, intake };
  expect(nextDue(old)?.at).toBe(START);
  expect(nextDue(step(old, { type: "due" }, START))?.at).toBe(START + 2 * INTAKE_ASK_AGAIN_MS);
});

test("files whose reader was lost at the same moment are read apart from each other from then on", () => {
  const pauses = ["job_1", "job_2"].map((id) => {
    let job = { ...fresh(), id };
    return Array.from({ length: 8 }, (_, n) => {
      const now = START + n * 3_600_000;
      job = step(job, { type: "intake-started" }, now);
      job = step(job, { type: "intake-lost", epoch: n + 1, why: "reader" }, now + 1_000);
      return (job.intake.until ?? now + 1_000) - now - 1_000;
    });
  });
  const [one = [], other = []] = pauses;
  expect(one[0]).toBe(0);
  const apart = one.map((pause, n) => Math.abs(pause - (other[n] ?? 0)) / backoffMs(n + 1));
  expect(apart.filter((share) => share > 0.25).length).toBeGreaterThanOrEqual(4);
  for (const [n, pause] of one.slice(1).entries()) {
    expect(pause).toBeGreaterThanOrEqual(backoffMs(n + 2));
    expect(pause).toBeLessThan(2 * backoffMs(n + 2) + 1);
  }
});
