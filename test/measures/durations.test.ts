import fc from "fast-check";
import { expect, test } from "vitest";
import { quantile, spreadOf } from "./durations.ts";

test("a quantile is the smallest value that its share of all does not exceed", () => {
  const values = fc.array(fc.double({ noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
      const at = quantile(all, share);
      const belowOrAt = (limit: number): number => all.filter((value) => value <= limit).length / all.length;
      expect(belowOrAt(at)).toBeGreaterThanOrEqual(share);
      for (const less of all.filter((value) => value < at)) expect(belowOrAt(less)).toBeLessThan(share);
    }),
  );
});

test("of nothing there is nothing to tell", () => {
  expect(spreadOf([])).toEqual({ p50: 0, p99: 0, max: 0 });
});
