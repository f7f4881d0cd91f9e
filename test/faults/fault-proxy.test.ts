import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { HELD_BYTES_MAX } from "./fault-bodies.ts";
import { everyKind, type Dialect, type FaultName } from "./fault-plan.ts";
import { startFaultProxy, type ProxyFault } from "./fault-proxy.ts";
import { rawCall } from "./raw-call.ts";
import { startTinyServer } from "./tiny-server.ts";

const BODY = Buffer.from("the quick brown fox jumps over the lazy dog".repeat(50));

/** How many bits two bodies differ in; Infinity when their lengths differ. */
function bitsApart(a: Buffer, b: Buffer): number {
  if (a.length !== b.length) return Infinity;
  let bits = 0;
  for (const [i, byte] of a.entries()) {
    for (let diff = byte ^ b[i]!; diff > 0; diff >>= 1) bits += diff & 1;
  }
  return bits;
}

test("without faults a request and its answer pass as they are, the signed host included", async () => {
  await using target = await startTinyServer(() => ({
    status: 206,
    headers: { "X-Kept-Case": "Yes", ETag: '"1"' },
    body: BODY,
  }));
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  const answer = await rawCall(`${proxy.url}/a%2Fb/c?x=%20&y`, {
    method: "PUT",
    headers: { Host: "signed.example:1234", "X-Amz-Meta-Odd": "a  b", "Content-Length": String(BODY.length) },
    body: BODY,
  });
  expect(target.seen).toHaveLength(1);
  const [seen] = target.seen;
  expect(seen?.method).toBe("PUT");
  expect(seen?.path).toBe("/a%2Fb/c?x=%20&y");
  expect(seen?.body.equals(BODY)).toBe(true);
  expect(seen?.rawHeaders).toEqual([
    "Host",
    "signed.example:1234",
    "X-Amz-Meta-Odd",
    "a  b",
    "Content-Length",
    String(BODY.length),
    "Connection",
    "close",
  ]);
  expect(answer?.status).toBe(206);
  expect(answer?.body.equals(BODY)).toBe(true);
  expect(answer?.headers).toEqual(expect.arrayContaining(["X-Kept-Case", "Yes", "ETag", '"1"']));
  expect(proxy.counts()).toEqual({});
  expect(proxy.failures()).toBe(0);
});

test("a request without a body, or asked for its head alone, passes as it is", async () => {
  await using target = await startTinyServer(() => ({ body: BODY }));
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  for (const method of ["HEAD", "DELETE", "POST"]) {
    const answer = await rawCall(proxy.url, { method });
    expect(answer?.status).toBe(200);
    expect(answer?.body.length).toBe(method === "HEAD" ? 0 : BODY.length);
    expect(answer?.headers).toContain(String(BODY.length));
  }
  expect(target.seen.map((seen) => `${seen.method} ${seen.body.length}`)).toEqual([
    "HEAD 0",
    "DELETE 0",
    "POST 0",
  ]);
});

test("a request that asks before it sends its body is told by the target", async () => {
  await using target = await startTinyServer();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  const outgoing = httpRequest(proxy.url, {
    method: "PUT",
    headers: { Expect: "100-continue" },
    agent: false,
  });
  await once(outgoing, "continue");
  outgoing.end(BODY);
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  await buffer(answer);
  expect(target.seen[0]?.body.equals(BODY)).toBe(true);
});

test("an answer that comes before the body was sent is passed on, and the client heard out", async () => {
  const target = createServer((_, response) => response.writeHead(412, { "Content-Length": 0 }).end());
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const url = new URL(`http://127.0.0.1:${(target.address() as AddressInfo).port}`);
  await using proxy = await startFaultProxy({ target: url, seed: 1 });
  const headers = { Connection: "keep-alive" };
  const answer = await rawCall(proxy.url, { method: "PUT", headers, body: Buffer.alloc(20_000_000) });
  expect(answer?.status).toBe(412);
  target.close();
  target.closeAllConnections();
});

test("drop-before breaks the connection and nothing reaches the target", async () => {
  await using target = await startTinyServer();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  proxy.next({ kind: "drop-before" });
  expect(await rawCall(proxy.url, { method: "POST", body: BODY })).toBeUndefined();
  expect(target.seen).toHaveLength(0);
  expect(await rawCall(proxy.url)).toBeDefined();
  expect(proxy.counts()).toEqual({ "drop-before": 1 });
});

test("drop-after breaks the connection once the target has done its work", async () => {
  await using target = await startTinyServer();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  proxy.next({ kind: "drop-after" });
  expect(await rawCall(proxy.url, { method: "POST", body: BODY })).toBeUndefined();
  expect(target.seen.map((seen) => seen.body.equals(BODY))).toEqual([true]);
});

test("cut breaks the connection inside the answer", async () => {
  await using target = await startTinyServer(() => ({ body: BODY }));
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  proxy.next({ kind: "cut", times: 2 });
  for (let n = 1; n <= 2; n++) {
    expect(await rawCall(proxy.url)).toBeUndefined();
    expect(target.seen).toHaveLength(n);
  }
  expect(proxy.counts()).toEqual({ cut: 2 });
  expect(proxy.failures()).toBe(0);
});

test("delay keeps a request back for its time", async () => {
  await using target = await startTinyServer();
  const clock = createManualClock();
  const struck = Promise.withResolvers<ProxyFault>();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, clock, onFault: struck.resolve });
  proxy.next({ kind: "delay" });
  const answer = rawCall(proxy.url);
  await struck.promise;
  await clock.advance(49);
  expect(target.seen).toHaveLength(0);
  await clock.advance(451);
  expect((await answer)?.status).toBe(200);
});

test("half-open takes a request, never answers, and closes in the end", async () => {
  await using target = await startTinyServer();
  const clock = createManualClock();
  const struck = Promise.withResolvers<ProxyFault>();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, clock, onFault: struck.resolve });
  proxy.next({ kind: "half-open" });
  let isOver = false;
  const answer = rawCall(proxy.url, { method: "POST", body: BODY }).finally(() => (isOver = true));
  await struck.promise;
  await clock.advance(9_999);
  expect(isOver).toBe(false);
  await clock.advance(1);
  expect(await answer).toBeUndefined();
  expect(target.seen).toHaveLength(0);
});

test("slow hands the answer out in pieces, whole in the end", async () => {
  await using target = await startTinyServer(() => ({ body: BODY }));
  const clock = createManualClock();
  const startMs = clock.now();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, clock });
  proxy.next({ kind: "slow" });
  const progress = { isOver: false };
  const answer = rawCall(proxy.url).finally(() => (progress.isOver = true));
  while (!progress.isOver) await clock.advance(10);
  expect((await answer)?.body.equals(BODY)).toBe(true);
  expect(clock.now() - startMs).toBeGreaterThanOrEqual(400);
});

test("duplicate sends a writing request twice and returns the first answer", async () => {
  let asked = 0;
  await using target = await startTinyServer(() => ({ body: `answer ${++asked}` }));
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  proxy.next({ kind: "duplicate" });
  const answer = await rawCall(proxy.url, { method: "POST", body: BODY });
  expect(answer?.body.toString()).toBe("answer 1");
  expect(target.seen.map((seen) => seen.body.equals(BODY))).toEqual([true, true]);
  expect(target.seen[1]).toEqual(target.seen[0]);
});

test("a body longer than may be held passes once, and whole", async () => {
  await using target = await startTinyServer();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  proxy.next({ kind: "duplicate" });
  const long = Buffer.alloc(HELD_BYTES_MAX + 100_000, "x");
  expect((await rawCall(proxy.url, { method: "PUT", body: long }))?.status).toBe(200);
  expect(target.seen.map((seen) => seen.body.equals(long))).toEqual([true]);
  expect(proxy.counts()).toEqual({});
});

test("a flip changes one bit of the body, on the way there or back, and no header", async () => {
  await using target = await startTinyServer(() => ({ body: BODY }));
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  proxy.next({ kind: "flip-request" });
  proxy.next({ kind: "flip-response" });
  proxy.next({ kind: "flip-request" });
  const headers = { "Content-Length": String(BODY.length) };
  const there = await rawCall(proxy.url, { method: "PUT", headers, body: BODY });
  const back = await rawCall(proxy.url, { method: "PUT", headers, body: BODY });
  await rawCall(proxy.url, { method: "PUT", headers: { "Transfer-Encoding": "chunked" }, body: BODY });
  expect(target.seen.map((seen) => bitsApart(seen.body, BODY))).toEqual([1, 0, 1]);
  expect([there, back].map((answer) => bitsApart(answer?.body ?? BODY, BODY))).toEqual([0, 1]);
  expect(target.seen[0]?.rawHeaders).toEqual(target.seen[1]?.rawHeaders);
  expect(proxy.counts()).toEqual({ "flip-request": 2, "flip-response": 1 });
});

test("before S3 a flip meets an object's bytes only", async () => {
  await using target = await startTinyServer(() => ({ body: BODY }));
  await using proxy = await startFaultProxy({
    target: target.url,
    seed: 1,
    dialect: "s3",
    rates: { "flip-response": 1 },
  });
  for (const path of ["/bucket?list-type=2", "/bucket/", "/bucket/key?tagging", "/bucket/key?uploads"]) {
    expect(bitsApart((await rawCall(proxy.url + path))?.body ?? Buffer.alloc(0), BODY), path).toBe(0);
  }
  for (const path of ["/bucket/key", "/bucket/a/b?x-id=GetObject", "/bucket/key?partNumber=1&uploadId=1"]) {
    expect(bitsApart((await rawCall(proxy.url + path))?.body ?? Buffer.alloc(0), BODY), path).toBe(1);
  }
});

const REFUSALS: readonly [Dialect, FaultName, number, RegExp][] = [
  ["dynamodb", "server-error", 500, /"com\.amazonaws\.dynamodb\.v20120810#InternalServerError"/],
  ["dynamodb", "throttle", 400, /#(ThrottlingException|ProvisionedThroughputExceededException)"/],
  ["sqs", "server-error", 500, /"com\.amazonaws\.sqs#InternalError"/],
  ["sqs", "throttle", 400, /"com\.amazonaws\.sqs#RequestThrottled"/],
  ["s3", "server-error", 500, /<Code>InternalError<\/Code>/],
  ["s3", "throttle", 503, /<Code>SlowDown<\/Code>/],
  ["plain", "server-error", 500, /unknown error/],
  ["plain", "throttle", 429, /too many/],
];

test.each(REFUSALS)("%s refuses with its own words: %s", async (dialect, kind, status, words) => {
  await using target = await startTinyServer();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, dialect });
  proxy.next({ kind, times: 2 });
  const answer = await rawCall(proxy.url, { method: "POST", body: BODY });
  expect(answer?.status).toBe(status);
  expect(answer?.body.toString()).toMatch(words);
  const head = await rawCall(proxy.url, { method: "HEAD" });
  expect([head?.status, head?.body.length]).toEqual([status, 0]);
  expect(target.seen).toHaveLength(0);
});

test("a scripted fault waits for the request it is meant for, as often as it is meant", async () => {
  await using target = await startTinyServer();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  proxy.next({ kind: "throttle", when: ({ path }) => path === "/b", times: 2 });
  const statuses: (number | undefined)[] = [];
  for (const path of ["/a", "/b", "/a", "/b", "/b"]) statuses.push((await rawCall(proxy.url + path))?.status);
  expect(statuses).toEqual([200, 429, 200, 429, 200]);
});

/** The faults that fifty requests meet, one after the other. */
async function faultsOf(seed: number): Promise<string[]> {
  const faults: string[] = [];
  await using target = await startTinyServer(() => ({ body: BODY }));
  await using proxy = await startFaultProxy({
    target: target.url,
    seed,
    rates: everyKind(0.07, "plain"),
    times: { delayMsMin: 0, delayMsMax: 1, slowMsMax: 1, halfOpenMs: 1 },
    onFault: ({ n, kind }) => faults.push(`${n} ${kind}`),
  });
  for (let n = 0; n < 50; n++) await rawCall(proxy.url, { method: "PUT", body: BODY });
  return faults;
}

test("the same seed gives the same faults, another seed others", async () => {
  const faults = await faultsOf(7);
  expect(faults.length).toBeGreaterThan(20);
  expect(await faultsOf(7)).toEqual(faults);
  expect(await faultsOf(8)).not.toEqual(faults);
});

test("rates hold from the moment they are set, and what a dialect does not know is refused", async () => {
  await using target = await startTinyServer();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, rates: { throttle: 1 } });
  expect((await rawCall(proxy.url))?.status).toBe(429);
  proxy.setRates({});
  expect((await rawCall(proxy.url))?.status).toBe(200);
  proxy.setRates({ "server-error": 1 });
  expect((await rawCall(proxy.url))?.status).toBe(500);
  expect(() => proxy.setRates({ "stale-index": 0.1 })).toThrow("plain has no fault stale-index");
  expect(() => proxy.setRates({ throttle: 0.6, cut: 0.6 })).toThrow("at most 1");
  expect(proxy.requests()).toBe(3);
});

test("a target that is down breaks the connection and is counted", async () => {
  const target = await startTinyServer();
  await target[Symbol.asyncDispose]();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1 });
  expect(await rawCall(proxy.url, { method: "POST", body: BODY })).toBeUndefined();
  expect(proxy.failures()).toBe(1);
});

test("closing breaks off what is in the air", async () => {
  await using target = await startTinyServer();
  const struck = Promise.withResolvers<ProxyFault>();
  const proxy = await startFaultProxy({
    target: target.url,
    seed: 1,
    clock: createManualClock(),
    onFault: struck.resolve,
  });
  proxy.next({ kind: "half-open" });
  const answer = rawCall(proxy.url);
  await struck.promise;
  await proxy.close();
  await proxy.close();
  expect(await answer).toBeUndefined();
  expect(await rawCall(proxy.url)).toBeUndefined();
});
