import { expect, test } from "vitest";
import {
  bodyOf,
  fakeAgent,
  intakeDone,
  intakeStarted,
  queued,
  succeeded,
  testWorld,
  type Caller,
  type World,
} from "./api-fixture.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";

interface Event {
  id: string;
  restoration: Restoration;
}

/** Reads a stream to its end. */
async function eventsOf(answer: Response): Promise<{ events: Event[]; comments: number; text: string }> {
  const text = await answer.text();
  const blocks = text.split("\n\n").filter((block) => block.includes("event: restoration"));
  const events = blocks.map((block) => ({
    id: /^id: (.*)$/m.exec(block)?.[1] ?? "",
    restoration: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "{}") as Restoration,
  }));
  return { events, comments: text.split("\n").filter((line) => line.startsWith(": ")).length, text };
}

async function atWork(all: World & Caller) {
  const { id, links } = await queued(all);
  await intakeStarted(all, id);
  await intakeDone(all, id);
  const agent = await fakeAgent(all);
  return { id, links, agent, lease: await agent.claim(id) };
}

test("Prefer: wait answers when the restoration has ended", async () => {
  const all = testWorld();
  const { links } = await queued(all);
  const asking = all.get(links.self, { prefer: "wait=20" });
  await all.clock.advance(5_000);
  await all.post(links.cancel);
  await all.clock.advance(1_000);
  const answer = await asking;
  expect(await bodyOf(answer)).toMatchObject({ status: "canceled" });
  expect(answer.headers.get("preference-applied")).toBe("wait=20");
});

test("Prefer: wait answers with what there is when the time is up, and waits no longer than 30 seconds", async () => {
  const all = testWorld();
  const { links } = await queued(all);
  const asking = all.get(links.self, { prefer: "respond-async, wait=86400" });
  let answered = false;
  void asking.then(() => (answered = true));
  await all.clock.advance(29_000);
  expect(answered).toBe(false);
  await all.clock.advance(2_000);
  const answer = await asking;
  expect(await bodyOf(answer)).toMatchObject({ status: "queued" });
  expect(answer.headers.get("preference-applied")).toBe("wait=30");
});

test("Prefer: wait with a known tag answers at the first change, or 304 when there was none", async () => {
  const all = testWorld();
  const { links, agent, lease } = await atWork(all);
  const etag = (await all.get(links.self)).headers.get("etag") ?? "";
  const asking = all.get(links.self, { prefer: "wait=20", "if-none-match": etag });
  await all.clock.advance(3_000);
  await agent.beat(lease, { fraction: 0.25, tilesDone: 1, tilesTotal: 4, doing: "running" });
  await all.clock.advance(1_000);
  const changed = await asking;
  expect(await bodyOf(changed)).toMatchObject({ progress: { percent: 25 } });

  const idle = all.get(links.self, { prefer: "wait=5", "if-none-match": changed.headers.get("etag") ?? "" });
  await all.clock.advance(6_000);
  expect((await idle).status).toBe(304);
});

test.each(["", "wait", "wait=", "wait=-1", "wait=x", "waiting=5", "wait=1.5"])(
  "an unreadable preference (%j) is ignored",
  async (prefer) => {
    const all = testWorld();
    const { links } = await queued(all);
    const answer = await all.get(links.self, { prefer });
    expect(answer.status).toBe(200);
    expect(answer.headers.has("preference-applied")).toBe(false);
  },
);

test("the stream tells each change with the whole object, progress included, and closes at the end", async () => {
  const all = testWorld();
  const { links, agent, lease } = await atWork(all);
  const answer = await all.get(links.events);
  expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const reading = eventsOf(answer);
  await all.clock.advance(1_000);
  await agent.beat(lease, { fraction: 0.5, tilesDone: 2, tilesTotal: 4, doing: "running" });
  await all.clock.advance(1_000);
  await agent.complete(lease);
  await all.clock.advance(1_000);
  await all.post(links.cancel);
  await all.clock.advance(1_000);
  const { events, text } = await reading;
  expect(
    events.map(
      ({ restoration }) =>
        `${restoration.status} ${restoration.progress?.stage ?? "-"} ${restoration.progress?.percent ?? "-"}`,
    ),
  ).toEqual(["processing analyze 0", "processing analyze 50", "processing upscale 0", "canceled - -"]);
  expect(new Set(events.map(({ id }) => id)).size).toBe(4);
  expect(text.startsWith("retry: 2000\n\n")).toBe(true);
  expect(events.at(-1)?.id).toBe((await all.get(links.self)).headers.get("etag"));
});

test("a quiet stream is kept alive by comments, and ends in bounded time", async () => {
  const all = testWorld();
  const { links } = await queued(all);
  const reading = eventsOf(await all.get(links.events));
  await all.clock.advance(15 * 60_000 + 1_000);
  const { events, comments } = await reading;
  expect(events).toHaveLength(1);
  expect(comments).toBeGreaterThanOrEqual(50);
  expect(comments).toBeLessThanOrEqual(60);
});

test("a reader that comes back is told only what it has missed, and to stay away once all is said", async () => {
  const all = testWorld();
  const { links, agent, lease } = await atWork(all);
  const known = (await all.get(links.self)).headers.get("etag") ?? "";
  const reading = eventsOf(await all.get(links.events, { "last-event-id": known }));
  await all.clock.advance(1_000);
  await agent.complete(lease);
  await all.post(links.cancel);
  await all.clock.advance(1_000);
  const { events } = await reading;
  expect(events.map(({ restoration }) => restoration.status)).toEqual(["canceled"]);
  expect((await all.get(links.events, { "last-event-id": events[0]?.id ?? "" })).status).toBe(204);
});

test("the stream of what has already ended is one event", async () => {
  const all = testWorld();
  const { links } = await succeeded(all);
  const { events } = await eventsOf(await all.get(links.events));
  expect(events.map(({ restoration }) => restoration.status)).toEqual(["succeeded"]);
});

test("a reader that leaves stops the watch, and frees its place", async () => {
  const all = testWorld();
  const { links } = await queued(all);
  for (let i = 0; i < 300; i++) {
    const answer = await all.get(links.events);
    expect(answer.status).toBe(200);
    const reader = answer.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await all.clock.advance(1_000);
  }
  expect(all.clock.nextAt()).toBeUndefined();
});

test("a caller that leaves while it waits stops the watch", async () => {
  const all = testWorld();
  const { links } = await queued(all);
  const leaving = new AbortController();
  const asking = all.app.request(links.self, {
    headers: { authorization: "Bearer org_1", prefer: "wait=30" },
    signal: leaving.signal,
  });
  await all.clock.advance(2_000);
  expect(all.clock.nextAt()).toBeDefined();
  leaving.abort();
  await asking;
  expect(all.clock.nextAt()).toBeUndefined();
});

test("at most 256 callers wait at once; the next is told to ask without waiting, and may", async () => {
  const all = testWorld();
  const { links } = await queued(all);
  const answers = await Promise.all(Array.from({ length: 256 }, () => all.get(links.events)));
  for (const refused of [await all.get(links.events), await all.get(links.self, { prefer: "wait=5" })]) {
    expect([refused.status, (await bodyOf(refused))["code"]]).toEqual([503, "watches_exhausted"]);
  }
  expect((await all.get(links.self)).status).toBe(200);
  for (const answer of answers) await answer.body?.cancel();
  expect((await all.get(links.events)).status).toBe(200);
});

test("asking a stream for its headers alone opens none", async () => {
  const all = testWorld();
  const { links } = await queued(all);
  for (let i = 0; i < 300; i++) {
    const answer = await all.app.request(links.events, {
      method: "HEAD",
      headers: { authorization: "Bearer org_1" },
    });
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
  }
  expect(all.clock.nextAt()).toBeUndefined();
  expect((await all.get(links.events)).status).toBe(200);
});

test("when the server closes, waits and streams end at once", async () => {
  const closing = new AbortController();
  const all = testWorld({ closing: closing.signal });
  const { links } = await queued(all);
  const waiting = all.get(links.self, { prefer: "wait=30" });
  const streaming = eventsOf(await all.get(links.events));
  await all.clock.advance(1_000);
  closing.abort();
  expect((await waiting).status).toBe(200);
  expect((await streaming).events).toHaveLength(1);
});
