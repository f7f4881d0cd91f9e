import { expect, test } from "vitest";
import { createBreaker } from "#agent/breaker.ts";

const MINUTE = 60_000;

test("worker deaths on three different jobs within five minutes trip it; spread out, or on one job, they do not", () => {
  const spread = createBreaker();
  for (const [n, job] of ["a", "b", "c", "d"].entries())
    spread.note({ job, failure: "worker_crashed" }, n * 3 * MINUTE);
  expect(spread.tripped()).toBeUndefined();

  const same = createBreaker();
  for (let n = 0; n < 9; n += 1) same.note({ job: "a", failure: "gpu_hang" }, n);
  expect(same.tripped()).toBeUndefined();

  const burst = createBreaker();
  for (const [n, job] of ["a", "b", "c"].entries())
    burst.note({ job, failure: "worker_crashed" }, n * MINUTE);
  expect(burst.tripped()).toMatch("3 different jobs");
});

test("what a device reports of itself trips it at the second time within ten minutes", () => {
  const rare = createBreaker();
  rare.note({ job: "a", failure: "gpu_fault" }, 0);
  rare.note({ job: "a", failure: "gpu_fault" }, 11 * MINUTE);
  expect(rare.tripped()).toBeUndefined();
  rare.note({ job: "b", failure: "gpu_fault" }, 12 * MINUTE);
  expect(rare.tripped()).toMatch("the device failed 2 times");
});

test("a photograph's own failures say nothing about the node", () => {
  const breaker = createBreaker();
  for (const job of ["a", "b", "c", "d"]) {
    breaker.note({ job, failure: "bad_image" }, 0);
    breaker.note({ job, failure: "gpu_oom" }, 0);
    breaker.note({ job, failure: "transient_io" }, 0);
  }
  expect(breaker.tripped()).toBeUndefined();
});

test.each(["bug", "model_invalid", "model_missing"] as const)(
  "a node whose every stage ends as %s takes no more after three jobs; one that does some of them well goes on",
  (failure) => {
    const ruined = createBreaker();
    for (const job of ["a", "a", "b"]) ruined.note({ job, failure }, 0);
    expect(ruined.tripped()).toBeUndefined();
    ruined.note({ job: "c", failure }, 0);
    expect(ruined.tripped()).toMatch("3 jobs failed one after the other");

    const mixed = createBreaker();
    for (const job of ["a", "b", "c", "d"]) {
      mixed.note({ job, failure }, 0);
      mixed.note({ job: `${job}2`, failure }, 0);
      mixed.worked();
    }
    expect(mixed.tripped()).toBeUndefined();
  },
);
