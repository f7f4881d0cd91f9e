import fc from "fast-check";
import { expect, test } from "vitest";
import { newId, shardOf } from "#shared/domain/id.ts";

test("ids sort by their time and differ by their entropy", () => {
  const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  const bytes = fc.uint8Array({ minLength: 10, maxLength: 10 });
  fc.assert(
    fc.property(time, time, bytes, bytes, (a, b, x, y) => {
      const [left, right] = [newId("job", a, x), newId("job", b, y)];
      expect(left).toMatch(/^job_[0-9a-hjkmnp-tv-z]{26}$/);
      if (a < b) expect(left < right).toBe(true);
      if (a === b) expect(left === right).toBe(Buffer.from(x).equals(Buffer.from(y)));
    }),
  );
});

test("too little entropy is refused", () => {
  expect(() => newId("job", 1, new Uint8Array(9))).toThrow(RangeError);
});

test("shards are spread evenly", () => {
  const counts = Array.from({ length: 16 }, () => 0);
  for (let i = 0; i < 16_000; i++) {
    const shard = shardOf(newId("job", 1_800_000_000_000 + i, new Uint8Array(10).fill(i % 251)), 16);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  expect(Math.max(...counts) / Math.min(...counts)).toBeLessThan(1.5);
});
