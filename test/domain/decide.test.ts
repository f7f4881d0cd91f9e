import fc from "fast-check";
import { expect, test } from "vitest";
import {
  analysis,
  blob,
  can,
  claim,
  completion,
  fresh,
  measures,
  ready,
  START,
  step,
} from "./job-fixture.ts";
import { ALONE, FLEET } from "#shared/domain/budget.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import { decide } from "#shared/domain/decide.ts";
import {
  imageBefore,
  isTerminal,
  jobBreach,
  jobIndexes,
  nextDue,
  owed,
  resultOf,
  stageOf,
  type Job,
} from "#shared/domain/job.ts";
import {
  CAUTION_MS,
  CRASHES_ALONE_MAX,
  DISCARD_AFTER_MS,
  FINISH_WITHIN_MS,
  HARD_DEADLINE_MS,
  LOST_MAX,
  TRANSIENT_MAX,
  RELEASED_MAX,
  RING_AGAIN_MS,
} from "#shared/domain/limits.ts";
import { FAILURES, isOpen, STAGE_KINDS } from "#shared/domain/stage.ts";

function succeed(): Job {
  let job = step(ready(), claim("agt_a", "clm_1"), START);
  job = step(job, completion(job, "analyze", { nextClaimId: "clm_2" }), START + 1);
  job = step(job, completion(job, "upscale", { nextClaimId: "clm_3" }), START + 2);
  return step(job, completion(job, "finish"), START + 3);
}

const statusOf = (job: Job) => Object.fromEntries(job.stages.map(({ kind, status }) => [kind, status]));

test("a photograph travels from its upload to its result, each stage claimed in the answer to the one before", () => {
  let job = fresh(false);
  expect(job.status).toBe("awaiting_upload");
  job = step(job, { type: "uploaded" }, START);
  expect(job.status).toBe("queued");
  expect(owed(job, START)).toEqual([{ do: "intake", job: "job_1" }]);
  job = ready();
  expect(stageOf(job, "analyze").status).toBe("ready");
  expect(owed(job, START)).toEqual([{ do: "ring", job: "job_1", org: "org_1", delayMs: 0 }]);
  job = step(job, claim("agt_a", "clm_1"), START);
  expect(job.status).toBe("processing");
  job = step(job, completion(job, "analyze", { nextClaimId: "clm_2" }), START + 1);
  expect(job.stages.map((stage) => stage.status)).toEqual([
    "done",
    "skipped",
    "skipped",
    "skipped",
    "skipped",
    "leased",
    "blocked",
  ]);
  expect(stageOf(job, "upscale")).toMatchObject({ model: "esrgan-thick", claimId: "clm_2", epoch: 1 });
  expect(owed(job, START + 1)).toEqual([]);
  job = step(job, completion(job, "upscale", { nextClaimId: "clm_3" }), START + 2);
  expect(imageBefore(job, "finish")?.key).toBe("jobs/job_1/upscale/e1-x.image.tif");
  job = step(job, completion(job, "finish"), START + 3);
  expect(job.status).toBe("succeeded");
  expect(resultOf(job)?.key).toBe("jobs/job_1/finish/e1-x.image.tif");
});

test("the plan is written once, with the end of the analysis, and names every stage with a reason", () => {
  const claimed = step(ready(), claim("agt_a", "clm_1"), START);
  const { rows } = decide(claimed, completion(claimed, "analyze"), START + 1);
  const body = rows[0]?.body as { plan: { steps: { kind: string; reason: string }[] } };
  expect(body.plan.steps.map((each) => each.kind)).toEqual([...STAGE_KINDS]);
  expect(body.plan.steps.every((each) => each.reason.length > 3)).toBe(true);
});

test("a stage behind a skipped one waits for what that one waited for", () => {
  const job = ready();
  job.options = { ...job.options, operations: { ...job.options.operations, denoise: true, upscale: 1 } };
  const models = ["ffdnet-color"];
  const event = {
    ...completion(step(job, claim("agt_a", "clm_1"), START), "analyze", { agent: "agt_a" }),
    can: { stages: [...STAGE_KINDS], models },
  } as JobEvent;
  const planned = step(step(job, claim("agt_a", "clm_1"), START), event, START + 1);
  expect(statusOf(planned)).toMatchObject({ denoise: "ready", upscale: "skipped", finish: "blocked" });
  const leased = step(
    planned,
    { ...claim("agt_a", "clm_2"), can: { stages: [...STAGE_KINDS], models } } as JobEvent,
    START + 2,
  );
  const cleaned = step(leased, completion(leased, "denoise"), START + 3);
  expect(statusOf(cleaned)).toMatchObject({ denoise: "done", finish: "ready" });
});

test("a stage is accepted under the epoch then current and never twice", () => {
  const first = step(ready(), claim("agt_a", "clm_1"), START);
  const late = completion(first, "analyze", { agent: "agt_a" });
  const lost = step(
    first,
    { type: "looked", stage: "analyze", epoch: 1, held: false, lookAt: 0 },
    START + 30_000,
  );
  const second = step(lost, claim("agt_b", "clm_2"), START + 30_001);
  expect(stageOf(second, "analyze").epoch).toBe(2);
  expect(step(second, late, START + 30_002)).toBe(second);
  const done = step(second, completion(second, "analyze"), START + 30_003);
  expect(stageOf(done, "analyze").status).toBe("done");
  expect(step(done, completion(second, "analyze"), START + 30_004)).toBe(done);
});

test("what a stranger says of a lease changes nothing", () => {
  const job = step(ready(), claim("agt_a", "clm_1"), START);
  expect(step(job, completion(job, "analyze", { agent: "agt_evil" }), START + 1)).toBe(job);
  expect(
    step(
      job,
      { type: "failed", stage: "analyze", epoch: 1, agent: "agt_evil", failure: "bug", message: "" },
      START + 1,
    ),
  ).toBe(job);
  expect(step(job, { type: "released", stage: "analyze", epoch: 1, agent: "agt_evil" }, START + 1)).toBe(job);
});

test("cancel and the last complete cannot both win", () => {
  const job = step(ready(), claim("agt_a", "clm_1"), START);
  const canceled = step(job, { type: "cancel-asked" }, START + 1);
  expect(canceled.status).toBe("canceled");
  expect(step(canceled, completion(job, "analyze"), START + 2)).toBe(canceled);
  const done = succeed();
  expect(step(done, { type: "cancel-asked" }, START + 9)).toBe(done);
});

test("a release costs no try and the stage is ready at once", () => {
  const job = step(ready(), claim("agt_a", "clm_1"), START);
  const released = step(job, { type: "released", stage: "analyze", epoch: 1, agent: "agt_a" }, START + 1);
  expect(stageOf(released, "analyze")).toMatchObject({ status: "ready", tries: { released: 1 } });
  expect(stageOf(released, "analyze").notBefore).toBeUndefined();
});

test("three dead workers on two agents make a photograph poison, three on one do not", () => {
  const crash = (job: Job, agent: string, n: number): Job => {
    const at = START + n * 100_000;
    const claimed = step(job, claim(agent, `clm_${n}`), at);
    const stage = stageOf(claimed, "analyze");
    return step(
      claimed,
      {
        type: "failed",
        stage: "analyze",
        epoch: stage.epoch,
        agent,
        failure: "worker_crashed",
        message: "it died",
      },
      at + 1,
    );
  };
  const alone = [1, 2, 3].reduce((job, n) => crash(job, "agt_a", n), ready());
  expect(alone.status).toBe("processing");
  const fleet = ["agt_a", "agt_a", "agt_b"].reduce((job, agent, n) => crash(job, agent, n + 1), ready());
  expect(fleet).toMatchObject({ status: "failed", error: { code: "poison" } });
  const ever = Array.from({ length: CRASHES_ALONE_MAX }).reduce<Job>(
    (job, _, n) => crash(job, "agt_a", n + 1),
    ready(),
  );
  expect(ever).toMatchObject({ status: "failed", error: { code: "poison" } });
});

test("lost agents never make poison: the stage is handed out with care, and ends as infra after ten", () => {
  let job = ready();
  let now = START;
  for (let n = 1; n <= LOST_MAX; n++) {
    now += 30_000;
    now = Math.max(now, stageOf(job, "analyze").notBefore ?? 0);
    if (n > 2) {
      expect(step(job, claim("agt_busy", "clm_x", false), now)).toBe(job);
      expect(stageOf(step(job, claim("agt_busy", "clm_x", false), now + CAUTION_MS), "analyze").status).toBe(
        "leased",
      );
    }
    job = step(job, claim("agt_a", `clm_${n}`), now);
    if (n === 4) {
      const released = step(job, { type: "released", stage: "analyze", epoch: n, agent: "agt_a" }, now);
      expect(step(released, claim("agt_busy", "clm_x", false), now)).toBe(released);
    }
    job = step(job, { type: "looked", stage: "analyze", epoch: n, held: false, lookAt: 0 }, now + 30_000);
  }
  expect(job).toMatchObject({ status: "failed", error: { code: "infra" } });
});

test("every failure an agent may report ends within its budget", () => {
  for (const failure of FAILURES) {
    let job = ready();
    let now = START;
    let tries = 0;
    while (!isTerminal(job.status)) {
      expect(++tries, failure).toBeLessThanOrEqual(TRANSIENT_MAX);
      now = Math.max(now, stageOf(job, "analyze").notBefore ?? 0);
      job = step(job, claim(`agt_${tries}`, `clm_${tries}`), now);
      const { epoch, agent = "" } = stageOf(job, "analyze");
      job = step(
        job,
        { type: "failed", stage: "analyze", epoch, agent, failure, message: "said so" },
        now + 1,
      );
    }
    expect(job.status, failure).toBe("failed");
    expect(now, failure).toBeLessThan(job.finishBy);
    expect(job.error?.code, failure).toMatch(/^[a-z_]+$/);
  }
});

test("what is claimed and released for ever ends as ours, later and later", () => {
  let job = ready();
  let now = START;
  for (let n = 1; n <= RELEASED_MAX; n++) {
    now = Math.max(now, stageOf(job, "analyze").notBefore ?? 0);
    job = step(job, claim("agt_a", `clm_${n}`), now);
    job = step(job, { type: "released", stage: "analyze", epoch: n, agent: "agt_a" }, now);
  }
  expect(job).toMatchObject({ status: "failed", error: { code: "infra" } });
  expect(now - START).toBeGreaterThan(3_600_000);
});

test("the alpha of an upload travels with it", () => {
  const reading = step(fresh(), { type: "intake-started" }, START);
  const image = blob("jobs/job_1/intake/e1-x.image.tif");
  const alpha = blob("jobs/job_1/intake/e1-x.alpha.tif");
  const read = step(reading, { type: "intake-done", epoch: 1, measures, image, alpha }, START);
  expect(read.intake).toMatchObject({ status: "done", image, alpha });
});

test("what no stored job may be is told", () => {
  const job = step(ready(), claim("agt_a", "clm_1"), START);
  expect(jobBreach(job)).toBeUndefined();
  expect(jobBreach({ ...job, status: "canceled" })).toMatch(/open stage/);
  expect(jobBreach({ ...job, endedAt: START })).toMatch(/if and only if it has ended/);
  const { lookAt: _, ...stage } = stageOf(job, "analyze");
  expect(jobBreach({ ...job, stages: [stage] })).toMatch(/leased stage analyze lacks/);
  expect(() => stageOf({ ...job, stages: [] }, "finish")).toThrow(/has the stage finish/);
});

test("a look that finds the stage held moves timers only", () => {
  const job = step(ready(), claim("agt_a", "clm_1"), START);
  const { job: looked, timersOnly } = decide(
    job,
    { type: "looked", stage: "analyze", epoch: 1, held: true, lookAt: START + 60_000 },
    START + 23_000,
  );
  expect(timersOnly).toBe(true);
  expect(stageOf(looked, "analyze").lookAt).toBe(START + 60_000);
  expect(
    decide(job, { type: "looked", stage: "analyze", epoch: 1, held: false, lookAt: 0 }, START + 23_000)
      .timersOnly,
  ).toBe(false);
});

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

test("a result lives until its retention ends, and only then are its bytes owed to deletion", () => {
  const job = succeed();
  const soon = START + 3 + DISCARD_AFTER_MS;
  const keep = ["jobs/job_1/finish/e1-x.image.tif", "jobs/job_1/input"];
  expect(owed(job, soon)).toEqual([
    {
      do: "discard",
      job: "job_1",
      input: "jobs/job_1/input",
      keep,
      at: soon,
    },
  ]);
  const tidy = step(job, { type: "discarded", kept: keep, at: soon }, soon);
  expect(owed(tidy, soon)).toEqual([]);
  const end = tidy.expiresAt ?? 0;
  expect(nextDue(tidy)).toEqual({ at: end, of: "retention" });
  const expired = step(tidy, { type: "due" }, end);
  expect(expired.status).toBe("expired");
  expect(owed(expired, end)).toEqual([
    { do: "discard", job: "job_1", input: "jobs/job_1/input", keep: [], at: end },
  ]);
  expect(nextDue(step(expired, { type: "discarded", kept: [], at: end }, end))).toBeUndefined();
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

test("every accepted job ends by its deadline, whatever arrives and however often", () => {
  const agents = ["agt_a", "agt_b"];
  const event = fc.oneof(
    fc.constantFrom<JobEvent>(
      { type: "uploaded" },
      { type: "intake-started" },
      { type: "due" },
      { type: "due", objectThere: true },
      { type: "discarded", kept: [], at: START },
      { type: "erase-asked" },
    ),
    fc.record({
      type: fc.constant("intake-lost" as const),
      epoch: fc.nat(3),
      why: fc.constantFrom("reader" as const, "engine" as const),
    }),
    fc.nat(3).map((epoch): JobEvent => ({
      type: "intake-done",
      epoch,
      measures,
      image: blob("jobs/job_1/intake/e1-x.image.tif"),
    })),
    fc
      .record({ epoch: fc.nat(3), final: fc.boolean() })
      .map((each): JobEvent => ({ type: "intake-failed", code: "image_broken", message: "broken", ...each })),
    fc
      .record({
        agent: fc.constantFrom(...agents),
        claimId: fc.constantFrom("clm_1", "clm_2"),
        idle: fc.boolean(),
      })
      .map((each): JobEvent => ({ type: "claimed", can, ...each })),
    fc
      .record({ stage: fc.constantFrom(...STAGE_KINDS), epoch: fc.nat(4), agent: fc.constantFrom(...agents) })
      .chain((at) =>
        fc.constantFrom<JobEvent>(
          {
            type: "completed",
            ...at,
            outputs: { image: blob("jobs/job_1/x") },
            analysis,
            timings: { seconds: 1, modelSeconds: 1, loadSeconds: 0 },
            warnings: [],
            can,
            nextClaimId: "clm_9",
          },
          { type: "released", ...at },
          { type: "failed", ...at, failure: "worker_crashed", message: "died" },
          { type: "failed", ...at, failure: "transient_io", message: "slow" },
          { type: "looked", stage: at.stage, epoch: at.epoch, held: false, lookAt: 0 },
          { type: "looked", stage: at.stage, epoch: at.epoch, held: true, lookAt: START + 10_000_000 },
        ),
      ),
  );
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.constantFrom({}, { start_within: 600 }, { finish_within: 3_600 }),
      fc.array(fc.tuple(event, fc.nat(3_000_000)), { maxLength: 60 }),
      fc.constantFrom(FLEET, ALONE),
      (uploaded, deadline, events, policy) => {
        let job = fresh(uploaded, { deadline });
        let now = START;
        const epochs = new Map<string, number>();
        for (const [each, gap] of events) {
          now += gap;
          const before = structuredClone(job);
          const after = step(job, each, now, policy);
          expect(job).toEqual(before);
          expect(jobBreach(after)).toBeUndefined();
          if (isTerminal(job.status) && after.status !== job.status)
            expect([job.status, after.status]).toEqual(["succeeded", "expired"]);
          for (const stage of after.stages) {
            expect(stage.epoch).toBeGreaterThanOrEqual(epochs.get(stage.kind) ?? 0);
            epochs.set(stage.kind, stage.epoch);
          }
          const discards = owed(after, now).some((command) => command.do === "discard");
          expect(discards && !isTerminal(after.status)).toBe(false);
          expect(jobIndexes(after).due === undefined).toBe(nextDue(after) === undefined);
          job = after;
        }
        const ended = step(
          step(job, { type: "due" }, START + FINISH_WITHIN_MS + now),
          { type: "due" },
          START + FINISH_WITHIN_MS + now,
        );
        expect(isTerminal(ended.status)).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});
