import { expect, test } from "vitest";
import { promiseText, type PromiseResult } from "./promise-report.ts";

const kept = (name: string, sentence: string): PromiseResult => ({
  name,
  sentence,
  isHere: true,
  outcome: "passed",
});

test("engines of one port stand together, and a promise counts once for them all", () => {
  const text = promiseText([
    kept("sqlite store", "what is put is got"),
    kept("memory queue", "what is sent is received"),
    kept("memory store", "what is put is got"),
  ]);
  expect(text.split("\n")).toEqual([
    "Promises of the ports: 2 (queue 1, store 1)",
    "  memory queue    1 kept",
    "  memory store    1 kept",
    "  sqlite store    1 kept",
  ]);
});

test("a promise that an engine was not asked for is named with the reason, and a broken one is counted", () => {
  const text = promiseText([
    kept("sqs queue", "what is sent is received"),
    { ...kept("sqs queue", "order"), outcome: "failed" },
    { ...kept("sqs queue", "groups take turns"), outcome: "skipped", fault: "it knows no turns" },
  ]);
  expect(text).toContain("sqs queue    1 kept, 1 broken, 1 not asked");
  expect(text).toContain("not asked: sqs queue: groups take turns: it knows no turns");
});

test("an engine that is not here is one line, not one per promise", () => {
  const absent = (sentence: string): PromiseResult => ({
    ...kept("s3 blobs", sentence),
    isHere: false,
    outcome: "skipped",
  });
  const lines = promiseText([absent("a"), absent("b"), kept("memory blobs", "a")]).split("\n");
  expect(lines.filter((line) => line.includes("not here"))).toEqual([
    "  not asked: s3 blobs, all 2: the engine is not here (npm run emulators -- start)",
  ]);
  expect(lines[0]).toBe("Promises of the ports: 2 (blobs 2)");
});
