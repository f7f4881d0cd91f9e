import { expect, test } from "vitest";
import { closeMask, dilateMask, erodeMask, openMask, type Mask } from "#agent/image/morphology.ts";
import { seededRandom } from "./picture-fixture.ts";

/** A drawing of rows: "#" is marked. */
function drawn(...rows: string[]): Mask {
  const data = Uint8Array.from(rows.join(""), (sign) => (sign === "#" ? 255 : 0));
  return { data, width: rows[0]!.length, height: rows.length };
}

/** Levels over the whole range, or marks on one pixel in ten. */
function scattered(width: number, height: number, isLevels: boolean): Mask {
  const random = seededRandom(width * height);
  const level = () => (isLevels ? Math.floor(random() * 256) : random() < 0.1 ? 255 : 0);
  return { data: Uint8Array.from({ length: width * height }, level), width, height };
}

/** As the definition says, square by square. */
function highestAround({ data, width, height }: Mask, radius: number): number[] {
  return Array.from(data, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    let most = 0;
    for (let row = Math.max(0, y - radius); row <= Math.min(height - 1, y + radius); row += 1) {
      for (let column = Math.max(0, x - radius); column <= Math.min(width - 1, x + radius); column += 1) {
        most = Math.max(most, data[row * width + column]!);
      }
    }
    return most;
  });
}

test("a dot grows to a square, a square shrinks to a dot", () => {
  const dot = drawn(".....", ".....", "..#..", ".....");
  const square = drawn(".....", ".###.", ".###.", ".###.");
  expect(dilateMask(dot, 1)).toEqual(square);
  // The outside takes nothing away: the square is as if it went on below the mask.
  expect(erodeMask(square, 1)).toEqual(drawn(".....", ".....", "..#..", "..#.."));
});

test("opening takes a hair away and keeps a patch, closing fills a gap and keeps a hole", () => {
  expect(openMask(drawn("#......", "#..###.", "#..###.", "#..###.", "#......"), 1)).toEqual(
    drawn(".......", "...###.", "...###.", "...###.", "......."),
  );
  expect(closeMask(drawn("###.###", "###.###", "###.###"), 1)).toEqual(
    drawn("#######", "#######", "#######"),
  );
  const ring = drawn("#######", "#.....#", "#.....#", "#.....#", "#######");
  expect(closeMask(ring, 1)).toEqual(ring);
});

const masks = [
  scattered(31, 17, true),
  scattered(40, 40, false),
  scattered(1, 23, true),
  scattered(23, 1, false),
  scattered(3, 3, true),
];

test.each([0, 1, 2, 5, 30])("a radius of %i is what the definition says, square by square", (radius) => {
  for (const mask of masks) {
    expect([...dilateMask(mask, radius).data]).toEqual(highestAround(mask, radius));
    const clear = { ...mask, data: mask.data.map((level) => 255 - level) };
    expect([...erodeMask(mask, radius).data]).toEqual(
      highestAround(clear, radius).map((level) => 255 - level),
    );
  }
});

test.each([1, 2, 5])(
  "opening and closing by %i are idempotent, one below the mask and one above",
  (radius) => {
    for (const mask of masks) {
      const opened = openMask(mask, radius);
      const closed = closeMask(mask, radius);
      expect(openMask(opened, radius)).toEqual(opened);
      expect(closeMask(closed, radius)).toEqual(closed);
      expect(opened.data.every((level, i) => level <= mask.data[i]!)).toBe(true);
      expect(closed.data.every((level, i) => level >= mask.data[i]!)).toBe(true);
    }
  },
);

test("two dilations are one of the sum of their radii", () => {
  for (const mask of masks) expect(dilateMask(dilateMask(mask, 2), 3)).toEqual(dilateMask(mask, 5));
});

test("a radius that is no whole number is a bug", () => {
  for (const radius of [-1, 0.5, Number.NaN]) expect(() => dilateMask(masks[0]!, radius)).toThrow();
});
