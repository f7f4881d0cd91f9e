import fc from "fast-check";
import { expect, test } from "vitest";
import {
  activationBytesOf,
  Footprint,
  NO_FOOTPRINT,
  sessionBytesOf,
  withSample,
  type FootprintSample,
} from "#agent/vram/footprint.ts";

const measured = (...samples: readonly FootprintSample[]): Footprint =>
  samples.reduce(withSample, NO_FOOTPRINT);
const session = (bytes: number): FootprintSample => ({ what: "session", bytes });
const peak = (tilePixels: number, bytes: number): FootprintSample => ({ what: "peak", tilePixels, bytes });

test("what was declared counts until there are three measurements, unless they are more", () => {
  expect(sessionBytesOf(NO_FOOTPRINT, 100)).toBe(100);
  expect(sessionBytesOf(measured(session(60), session(60)), 100)).toBe(100);
  expect(sessionBytesOf(measured(session(140)), 100)).toBe(140);
  expect(sessionBytesOf(measured(session(60), session(70), session(60)), 100)).toBe(70);
});

test("an outlier counts for eight measurements, and no longer", () => {
  const after = (calm: number): Footprint =>
    measured(session(900), ...Array.from({ length: calm }, () => session(50)));
  expect(sessionBytesOf(after(7), 100)).toBe(900);
  expect(sessionBytesOf(after(8), 100)).toBe(50);
});

test("activations are planned by the tile's size: as measured there, else by the hungriest pixel known", () => {
  const ask = { tilePixels: 100, declaredBytesPerPixel: 10 };
  expect(activationBytesOf(NO_FOOTPRINT, ask)).toBe(1_000);
  expect(activationBytesOf(measured(peak(100, 600)), ask)).toBe(1_000);
  expect(activationBytesOf(measured(peak(100, 600), peak(100, 500), peak(100, 600)), ask)).toBe(600);
  expect(activationBytesOf(measured(peak(50, 800), peak(200, 800)), ask)).toBe(1_600);
});

test("a tile that ran out of memory halves the largest that is tried, until a larger one has run", () => {
  const first = measured({ what: "exhausted", tilePixels: 1_000 });
  expect(first.tilePixelsMax).toBe(500);
  expect(withSample(first, { what: "exhausted", tilePixels: 4_000 }).tilePixelsMax).toBe(500);
  expect(measured({ what: "exhausted", tilePixels: 1 }).tilePixelsMax).toBe(1);
  expect(withSample(first, peak(400, 1)).tilePixelsMax).toBe(500);
  expect(withSample(first, peak(800, 1)).tilePixelsMax).toBe(800);
  expect(measured(peak(800, 1)).tilePixelsMax).toBeUndefined();
});

test("whatever is measured, a footprint stays as small as its form allows", () => {
  const sample = fc.oneof(
    fc.record({
      what: fc.constantFrom("session", "residue"),
      bytes: fc.double({ noNaN: true, max: 1e12, min: -5 }),
    }),
    fc.record({
      what: fc.constant("peak"),
      tilePixels: fc.integer({ min: 1, max: 40 }),
      bytes: fc.nat(),
    }),
    fc.record({ what: fc.constant("exhausted"), tilePixels: fc.integer({ min: 1, max: 9_999 }) }),
  );
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 200, size: "max" }), (samples) => {
      const footprint = measured(...(samples as FootprintSample[]));
      expect(Footprint.parse(footprint)).toEqual(footprint);
    }),
  );
});
