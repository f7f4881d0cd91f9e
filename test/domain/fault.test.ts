import { expect, test } from "vitest";
import { Fault, invariant } from "#shared/domain/fault.ts";

test("a fault keeps what caused it; only what is busy may be tried again", () => {
  const cause = new Error("the disk");
  const fault = new Fault("busy", "disk_full", "The disk is full; make room.", {
    cause,
    details: { free: 0 },
  });
  expect(fault).toMatchObject({ code: "disk_full", retryable: true, cause, details: { free: 0 } });
  expect(new Fault("input", "body_invalid", "It is none.")).toMatchObject({
    retryable: false,
  });
});

test("a broken invariant is an error that says which", () => {
  expect(() => invariant(true, "all is well")).not.toThrow();
  expect(() => invariant(false, "all is well")).toThrow("invariant broken: all is well");
});
