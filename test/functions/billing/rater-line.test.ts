import { expect, test } from "vitest";
import { createRaterLine } from "#functions/billing/rater-line.ts";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { RATE_RINGS_MS } from "#shared/domain/limits.ts";
import { createLog } from "#shared/log.ts";

function line(fails = false) {
  const clock = createManualClock();
  const lines: string[] = [];
  const rated: string[] = [];
  const log = createLog({ level: "debug", write: (text) => lines.push(text), now: clock.now });
  const rater = createRaterLine({
    clock,
    log,
    rate: async (org, month) => {
      rated.push(`${org} ${month}`);
      if (fails) throw new Error("the store is busy");
    },
  });
  return { clock, rater, rated, lines };
}

test("rings of one month within a second are one more rating, and months do not wait for each other", async () => {
  const { clock, rater, rated } = line();
  for (let i = 0; i < 5; i++) rater.ring("org_1", "2026-11");
  rater.ring("org_2", "2026-11");
  expect(rated).toEqual(["org_1 2026-11", "org_2 2026-11"]);
  await clock.advance(RATE_RINGS_MS);
  expect(rated).toEqual(["org_1 2026-11", "org_2 2026-11", "org_1 2026-11"]);
  await clock.advance(5 * RATE_RINGS_MS);
  expect(rated).toHaveLength(3);
  rater.ring("org_1", "2026-11");
  expect(rated).toHaveLength(4);
  await rater.close();
});

test("a rating that fails is logged and rung for again by the next end", async () => {
  const { clock, rater, rated, lines } = line(true);
  rater.ring("org_1", "2026-11");
  await clock.advance(2 * RATE_RINGS_MS);
  rater.ring("org_1", "2026-11");
  expect(rated).toHaveLength(2);
  await rater.close();
  expect(lines.filter((text) => text.includes("rating_failed"))).toHaveLength(2);
});

test("a closed line waits for what is under way and takes no ring any more", async () => {
  const { rater, rated } = line();
  rater.ring("org_1", "2026-11");
  await rater.close();
  rater.ring("org_1", "2026-11");
  expect(rated).toHaveLength(1);
});
