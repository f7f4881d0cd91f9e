import fc from "fast-check";
import { expect, test } from "vitest";
import { play, step, type Seen } from "./money-play.ts";

test("whatever is accepted, ended, rated, capped, granted and canceled side by side, every sum agrees after every write", async () => {
  const seen: Seen = { accepted: 0, refused: 0, rated: 0, conflicts: 0, lostReplies: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 80, size: "max" }),
      fc.integer(),
      fc.constantFrom(0, 0.05, 0.3),
      (steps, seed, faults) => play(steps, seed, faults, seen),
    ),
    { numRuns: 100 },
  );
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(20);
}, 60_000);
