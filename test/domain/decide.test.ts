import { expect, test } from "vitest";
import { blob, claim, completion, fresh, measures, ready, START, step } from "./job-fixture.ts";
import { ALONE, FLEET } from "#shared/domain/budget.ts";
import { decide } from "#shared/domain/decide.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import {
  imageBefore,
  isTerminal,
  jobBreach,
  nextDue,
  owed,
  resultOf,
  stageOf,
  type Job,
} from "#shared/domain/job.ts";
import {
  CAUTION_MS,
  ALONE_MAX,
  DISCARD_AFTER_MS,
  LOST_MAX,
  TRANSIENT_MAX,
  RELEASED_MAX,
} from "#shared/domain/limits.ts";
import { FAILURES, STAGE_KINDS } from "#shared/domain/stage.ts";

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
  const ever = Array.from({ length: ALONE_MAX }).reduce<Job>(
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

test("after a failure others come first for a minute, where there are others", () => {
  const failed = (policy = FLEET): Job => {
    const job = step(ready(), claim("agt_a", "clm_1"), START, policy);
    const failure = { failure: "model_invalid", message: "flat", agent: "agt_a", epoch: 1 } as const;
    return step(job, { type: "failed", stage: "analyze", ...failure }, START, policy);
  };
  const job = failed();
  const from = stageOf(job, "analyze").notBefore ?? 0;
  expect(step(job, claim("agt_a", "clm_2"), from)).toBe(job);
  expect(stageOf(step(job, claim("agt_b", "clm_2"), from), "analyze").status).toBe("leased");
  expect(stageOf(step(job, claim("agt_a", "clm_2"), from + CAUTION_MS), "analyze").status).toBe("leased");
  expect(stageOf(step(failed(ALONE), claim("agt_a", "clm_2"), from, ALONE), "analyze").status).toBe("leased");
});

test("one agent alone is believed a bug only after five tries, two agents after two", () => {
  const triesUntilEnd = (agents: readonly string[]): number => {
    let job = ready();
    let now = START;
    for (let n = 0; ; n += 1) {
      if (isTerminal(job.status)) return n;
      const agent = agents[n % agents.length] ?? "";
      now += 1_000_000;
      job = step(job, claim(agent, `clm_${n}`), now);
      const failed = { failure: "bug", message: "bug", epoch: n + 1, agent } as const;
      job = step(job, { type: "failed", stage: "analyze", ...failed }, now);
    }
  };
  expect(triesUntilEnd(["agt_a"])).toBe(ALONE_MAX);
  expect(triesUntilEnd(["agt_a", "agt_b"])).toBe(2);
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
