import { expect, test } from "vitest";
import { claim, measures, ready, START, step } from "./job-fixture.ts";
import { stageOf } from "#shared/domain/job.ts";
import { isHeld, nextLook, tryMsMax, type Agent } from "#shared/domain/lease.ts";
import { HARD_DEADLINE_MS, LEASE_GUARD_MS, LEASE_MS } from "#shared/domain/limits.ts";
import { isLeased, type LeasedStage } from "#shared/domain/stage.ts";

const stage = leased();

function leased(): LeasedStage {
  const found = stageOf(step(ready(), claim("agt_a", "clm_1"), START), "analyze");
  if (!isLeased(found)) throw new Error("a claimed stage is leased");
  return found;
}
const run = { job: "job_1", stage: "analyze" as const, epoch: 1 };
const agent = (extra: Partial<Agent>): Agent => ({
  id: "agt_a",
  expiresAt: START + 60_000,
  runs: [run],
  ...extra,
});
const held = (of: Agent | undefined, now: number): boolean =>
  isHeld({ jobId: "job_1", stage, agent: of }, now);

test("a fresh claim is held before its agent's next beat can name it", () => {
  expect(held(agent({ runs: [] }), START + LEASE_MS - 1)).toBe(true);
  expect(held(agent({ runs: [] }), START + LEASE_MS)).toBe(false);
  expect(held(undefined, START + LEASE_MS - 1)).toBe(true);
});

test("after that it is held exactly while its living agent names job, stage and epoch", () => {
  const later = START + LEASE_MS + 5_000;
  expect(held(agent({}), later)).toBe(true);
  expect(held(agent({ runs: [{ ...run, epoch: 2 }] }), later)).toBe(false);
  expect(held(agent({ runs: [{ ...run, stage: "upscale" }] }), later)).toBe(false);
  expect(held(agent({ runs: [{ ...run, job: "job_2" }] }), later)).toBe(false);
  expect(held(undefined, later)).toBe(false);
});

test("an agent silent beyond its lease and the guard holds nothing", () => {
  const expiresAt = START + 60_000;
  expect(held(agent({ expiresAt }), expiresAt + LEASE_GUARD_MS - 1)).toBe(true);
  expect(held(agent({ expiresAt }), expiresAt + LEASE_GUARD_MS)).toBe(false);
});

test("an agent known to have exited holds nothing, however fresh the claim", () => {
  expect(held(agent({ gone: true }), START + 1)).toBe(false);
});

test("the first look waits for the claim's lease, the next for the agent's own", () => {
  expect(nextLook(stage, undefined, START + 1)).toBe(START + LEASE_MS + LEASE_GUARD_MS);
  const now = START + LEASE_MS + LEASE_GUARD_MS;
  expect(nextLook(stage, agent({ expiresAt: now + 9_000 }), now)).toBe(now + 9_000 + LEASE_GUARD_MS);
  expect(nextLook(stage, agent({ expiresAt: now - 9_000 }), now)).toBeGreaterThan(now);
  expect(nextLook(stage, undefined, now)).toBeGreaterThan(now);
});

test("a large photograph may be worked on for longer, a small or unread one for a quarter of an hour", () => {
  const large = { measures: { ...measures, width: 4_000, height: 3_000 } };
  expect(tryMsMax({}, "upscale")).toBe(HARD_DEADLINE_MS);
  expect(tryMsMax({ measures }, "upscale")).toBe(HARD_DEADLINE_MS);
  expect(tryMsMax(large, "upscale")).toBe(4 * 12 * 150_000);
  expect(tryMsMax(large, "finish")).toBe(HARD_DEADLINE_MS);
});
