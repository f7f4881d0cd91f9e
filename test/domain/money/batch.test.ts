import { expect, test } from "vitest";
import { afterCanceled, jobIdOf, newBatch, nextCanceled, type Batch } from "#shared/domain/money/batch.ts";
import { START } from "../job-fixture.ts";

const terms = {
  acceptedAt: START,
  month: "2026-11",
  rateClass: "standard",
  priceVersion: "p1",
  funding: "ledger",
  units: 1,
  bound: 20,
} as const;
const ID = `bat_${"0".repeat(26)}`;

test("the jobs of a canceled batch are canceled page by page, those of lines that were handed on", () => {
  let batch: Batch = { ...newBatch({ id: ID, org: "org_1", terms, lines: 90 }, START), status: "canceling" };
  batch = { ...batch, cursor: 50 };
  const pages: number[] = [];
  while (batch.status === "canceling") {
    const lines = nextCanceled(batch);
    pages.push(lines.length);
    batch = afterCanceled(batch, lines.length, START);
  }
  expect(pages).toEqual([40, 10]);
  expect(batch).toMatchObject({ status: "canceled", canceled: 50 });
});

test("the job of a line is named by the batch, the same at every try, and no two alike", () => {
  const ids = Array.from({ length: 100 }, (_, line) => jobIdOf(ID, line));
  expect(new Set(ids).size).toBe(100);
  expect(ids[33]).toBe(jobIdOf(ID, 33));
  expect(() => jobIdOf("bat_x", 1)).toThrow(/of its kind/);
});
