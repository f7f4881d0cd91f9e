import { expect, test } from "vitest";
import { createSilenceRecord } from "#agent/watch.ts";

test("a worker may be silent for twice as long as it mostly is, for two minutes at least", () => {
  const silence = createSilenceRecord();
  expect(silence.limitMs()).toBe(120_000);
  for (let n = 0; n < 99; n++) silence.note(1_000);
  silence.note(100_000);
  expect(silence.limitMs(), "one pause in a hundred").toBe(120_000);
  for (let n = 0; n < 20; n++) silence.note(90_000);
  expect(silence.limitMs()).toBe(180_000);
});

test("a machine that slept for a night does not excuse a worker that hangs in the morning", () => {
  const silence = createSilenceRecord();
  silence.note(8 * 3_600_000);
  expect(silence.limitMs()).toBe(120_000);
});
