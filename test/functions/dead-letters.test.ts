import { expect, test } from "vitest";
import * as agents from "#functions/agents/agents.ts";
import { apply } from "#functions/apply.ts";
import { deadLetter } from "#functions/dead-letters.ts";
import { LEASE_GUARD_MS, LEASE_MS } from "#shared/domain/limits.ts";
import { controlPlane, jobOf, newAgent, readyJob, type ControlPlane } from "./control-plane-fixture.ts";

const BODY = JSON.stringify({ job: "job_1" });

/** How many bells lie there; they are taken away. */
async function bells(plane: ControlPlane): Promise<number> {
  const heard = await plane.queue.receive({ max: 10, waitMs: 0, visibilityMs: 30_000 });
  await plane.queue.delete(heard.map(({ receipt }) => receipt));
  return heard.length;
}

test("a dead letter of a job with work left rings again, in its customer's group", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  await bells(plane);
  await deadLetter(plane, BODY);
  const [bell] = await plane.queue.receive({ max: 10, waitMs: 0, visibilityMs: 30_000 });
  expect(bell).toMatchObject({ body: BODY, group: "org_1" });
});

test("it is a look as well: a stage whose agent is silent becomes ready", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  await agents.claim(plane, await newAgent(plane), { job: "job_1", claimId: "clm_1" });
  expect((await jobOf(plane)).stages[0]).toMatchObject({ status: "leased" });
  await plane.clock.advance(LEASE_MS + LEASE_GUARD_MS + 1);
  await deadLetter(plane, BODY);
  expect((await jobOf(plane)).stages[0]).toMatchObject({ status: "ready", tries: { lost: 1 } });
});

test("jobs that have ended, and those that are gone, are not rung for", async () => {
  const plane = controlPlane();
  await readyJob(plane);
  await apply(plane, "job_1", { type: "cancel-asked" });
  await bells(plane);
  await deadLetter(plane, BODY);
  await deadLetter(plane, JSON.stringify({ job: "job_of_nobody" }));
  expect(await bells(plane)).toBe(0);
});

test.each(["", "{}", '{"job":7}', "null"])("what is no doorbell is refused with a code: %s", async (body) => {
  await expect(deadLetter(controlPlane(), body)).rejects.toMatchObject({ code: "message_unreadable" });
});
