import { expect, test } from "vitest";
import { Fault } from "#shared/domain/fault.ts";
import { createLog } from "#shared/log.ts";

test("secrets and signatures never reach the log, wherever they lie", () => {
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line), now: () => 0 });
  log.info("call", {
    token: "canary-1",
    request: {
      headers: { authorization: "Bearer canary-2" },
      url: "http://x/blobs/a?expires=1&signature=canary-3&x=1",
    },
    error: new Error("GET http://x/?X-Amz-Signature=canary-4 failed"),
    list: [{ apiKey: "canary-5" }],
  });
  expect(lines.join("")).not.toContain("canary");
  expect(lines.join("")).toContain("expires=1");
});

test("a line is one line of JSON, and quieter levels are left out", () => {
  const lines: string[] = [];
  const log = createLog({
    level: "warn",
    write: (line) => lines.push(line),
    now: () => 0,
    base: { of: "test" },
  });
  log.info("quiet");
  log.warn("loud", { text: "a\nb" });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    at: "1970-01-01T00:00:00.000Z",
    level: "warn",
    event: "loud",
    of: "test",
    text: "a\nb",
  });
});

test("a fault is told with its code and with what is meant for the log alone", () => {
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line), now: () => 0 });
  const details = ["finishBy: expected a number"];
  log.error("failed", { error: new Fault("conflict", "job_damaged", "It is damaged.", { details }) });
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    error: { name: "Fault", code: "job_damaged", details, message: "It is damaged." },
  });
});
