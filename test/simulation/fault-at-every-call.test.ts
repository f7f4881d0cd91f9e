import { expect, test } from "vitest";
import { complaint, countCalls, oneJob, singleScripts } from "./call-faults.ts";
import { CALL_FAULTS } from "./network.ts";
import { simulate } from "./simulation.ts";

test.each(CALL_FAULTS)("a job succeeds whichever of its calls meets one fault: %s", async (fault) => {
  const calls = await countCalls();
  expect(calls).toBeGreaterThan(50);
  const complaints: string[] = [];
  for (const script of singleScripts(calls, [fault])) {
    const why = complaint(await simulate(oneJob(script)));
    if (why !== undefined) complaints.push(`${JSON.stringify(script)}: ${why}`);
  }
  expect(complaints).toEqual([]);
});
