import fc from "fast-check";
import { expect, test } from "vitest";
import { quantile } from "#agent/image/quantile.ts";

test("a quantile is what sorting would put at its place, and the values stay where they were", () => {
  const level = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.float({ noNaN: true }));
  const levels = fc.array(level, { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(levels, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
      const values = Float32Array.from(list);
      const place = Math.min(list.length - 1, Math.floor(share * list.length));
      // Numbers and not their signs: −0 and 0 are one level.
      expect(quantile(values, share) === values.toSorted()[place]).toBe(true);
      expect(values).toEqual(Float32Array.from(list));
    }),
  );
});
