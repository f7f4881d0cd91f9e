/** Whatever events come to a job, in whatever order. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { analysis, blob, can, fresh, measures, START, step } from "./job-fixture.ts";
import { ALONE, FLEET } from "#shared/domain/budget.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import { isTerminal, jobBreach, jobIndexes, nextDue, owed } from "#shared/domain/job.ts";
import { FINISH_WITHIN_MS } from "#shared/domain/limits.ts";
import { STAGE_KINDS } from "#shared/domain/stage.ts";

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
