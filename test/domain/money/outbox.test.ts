import { expect, test } from "vitest";
import { customerEvent, putOffOwed, type Owed } from "#shared/domain/money/outbox.ts";
import { EVENT_TTL_MS } from "#shared/domain/limits.ts";

test("what is owed to somebody who does not answer is tried less and less often, every half an hour in the end", () => {
  const start = 1_800_000_000_000;
  let owed: Owed = customerEvent("org_1", { type: "restoration.succeeded", subject: "job_1" }, start);
  const pauses: number[] = [];
  for (let now = start; now < start + EVENT_TTL_MS; now = owed.dueAt) {
    owed = putOffOwed(owed, now);
    pauses.push(owed.dueAt - now);
  }
  expect(pauses.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000]);
  expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  expect(pauses.at(-1)).toBe(30 * 60_000);
  expect(pauses.length, "in three days").toBeLessThan(170);
});
