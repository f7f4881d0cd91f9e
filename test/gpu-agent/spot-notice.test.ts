import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { createLog } from "#shared/log.ts";
import { spotNotice } from "#agent/spot-notice.ts";

const NOTICE = JSON.stringify({ action: "terminate", time: "2026-11-23T12:00:00Z" });
const ACTION = "/latest/meta-data/spot/instance-action";
const STATE = "/latest/meta-data/autoscaling/target-lifecycle-state";

/** EC2's metadata service (IMDSv2), as far as agents ask it. */
async function openMetadata() {
  const entries = new Map<string, string>();
  const asked: string[] = [];
  let token = "t1";
  let isDown = false;
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(`${request.method} ${path}`);
    if (isDown) return void response.writeHead(503).end();
    if (request.method === "PUT" && path === "/latest/api/token") {
      const seconds = Number(request.headers["x-aws-ec2-metadata-token-ttl-seconds"]);
      return void (seconds > 0 ? response.end(token) : response.writeHead(400).end());
    }
    if (request.headers["x-aws-ec2-metadata-token"] !== token) return void response.writeHead(401).end();
    const entry = entries.get(path);
    if (entry === undefined) return void response.writeHead(404).end();
    response.end(entry);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const lines: string[] = [];
  const log = createLog({ level: "debug", now: clock.now, write: (line) => lines.push(line) });
  return {
    entries,
    asked,
    lines,
    rotate: () => (token = "t2"),
    down: (now: boolean) => (isDown = now),
    ask: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, clock, log, everyMs: 1 },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("a spot notice is heard, whatever was asked in vain before", async () => {
  await using metadata = await openMetadata();
  const noticed = spotNotice(metadata.ask, new AbortController().signal);
  await expect.poll(() => metadata.asked.filter((ask) => ask.endsWith(ACTION)).length).toBeGreaterThan(2);
  metadata.rotate();
  metadata.entries.set(ACTION, NOTICE);
  expect(await noticed).toBe("spot interruption (terminate at 2026-11-23T12:00:00Z)");
});

test("a scaling group that ends the instance is heard; one that serves is not", async () => {
  await using metadata = await openMetadata();
  metadata.entries.set(STATE, "InService");
  const noticed = spotNotice(metadata.ask, new AbortController().signal);
  await expect.poll(() => metadata.asked.filter((ask) => ask.endsWith(STATE)).length).toBeGreaterThan(2);
  metadata.entries.set(STATE, "Terminated");
  expect(await noticed).toBe("the scaling group ends this instance");
});

test("a service that does not answer, or answers nonsense, is no notice; it is said once", async () => {
  await using metadata = await openMetadata();
  metadata.down(true);
  const noticed = spotNotice(metadata.ask, new AbortController().signal);
  await expect.poll(() => metadata.asked.length).toBeGreaterThan(3);
  metadata.down(false);
  metadata.entries.set(ACTION, "<html>");
  await expect.poll(() => metadata.asked.filter((ask) => ask.endsWith(ACTION)).length).toBeGreaterThan(1);
  metadata.entries.set(ACTION, NOTICE);
  expect(await noticed).toMatch("spot interruption");
  expect(metadata.lines.filter((line) => line.includes("metadata-unreadable"))).toHaveLength(1);
});

test("an agent that ends asks no more", async () => {
  await using metadata = await openMetadata();
  const stop = new AbortController();
  const noticed = spotNotice(metadata.ask, stop.signal);
  await expect.poll(() => metadata.asked.length).toBeGreaterThan(0);
  stop.abort();
  expect(await noticed).toBeUndefined();
});
