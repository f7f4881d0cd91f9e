import { expect, test } from "vitest";
import { bodyOf, BYTES, callerOf, FILE, send, testWorld } from "./api-fixture.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import { sweep } from "#functions/sweep/sweep.ts";

const HOUR_MS = 3_600_000;
const BODY = { input: { file: FILE }, metadata: { a: "1", b: "2" } };
const key = (name: string): Record<string, string> => ({ "idempotency-key": name });

async function listed(all: ReturnType<typeof testWorld>): Promise<string[]> {
  const { data } = await bodyOf<{ data: { id: string }[] }>(await all.get("/v1/restorations"));
  return data.map(({ id }) => id);
}

test("the same call with the same key creates once and is answered the same, marked as replayed", async () => {
  const all = testWorld();
  const first = await all.post("/v1/restorations", BODY, key("k1"));
  const second = await all.post("/v1/restorations", BODY, key("k1"));
  expect([first.status, second.status]).toEqual([202, 202]);
  expect([first, second].map(({ headers }) => headers.get("idempotent-replayed"))).toEqual([null, "true"]);
  expect(second.headers.get("location")).toBe(first.headers.get("location"));
  expect(await second.json()).toEqual(await first.json());
  expect(await listed(all)).toHaveLength(1);
});

test("of twenty calls at once with one key one creates, and all are answered alike", async () => {
  const all = testWorld();
  const calls = Array.from({ length: 20 }, () => all.post("/v1/restorations", BODY, key("k1")));
  await all.clock.advance(10_000);
  const answers = await Promise.all(calls);
  const bodies = await Promise.all(answers.map((answer) => bodyOf<Restoration>(answer)));
  expect(answers.every(({ status }) => status === 202)).toBe(true);
  expect(answers.filter(({ headers }) => headers.get("idempotent-replayed") === null)).toHaveLength(1);
  for (const body of bodies) expect(body).toEqual(bodies[0]);
  expect(await listed(all)).toEqual([bodies[0]?.id]);
});

test("twenty calls at once from one upload with one key are one restoration, not nineteen conflicts", async () => {
  const all = testWorld();
  const slot = await bodyOf<{ id: string; url: string; headers: Record<string, string> }>(
    await all.post("/v1/uploads", FILE),
  );
  await send(all.app, slot, BYTES);
  const calls = Array.from({ length: 20 }, () =>
    all.post("/v1/restorations", { input: { upload: slot.id } }, key("k1")),
  );
  await all.clock.advance(10_000);
  const answers = await Promise.all(calls);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
  expect(
    new Set(await Promise.all(answers.map(async (answer) => (await bodyOf<Restoration>(answer)).id))).size,
  ).toBe(1);
});

test("the same key with another body or on another route is refused", async () => {
  const all = testWorld();
  await all.post("/v1/restorations", BODY, key("k1"));
  const others = [
    await all.post("/v1/restorations", { ...BODY, preset: "faithful" }, key("k1")),
    await all.post("/v1/uploads", FILE, key("k1")),
  ];
  for (const other of others) {
    expect(other.status).toBe(422);
    expect(await bodyOf(other)).toMatchObject({ code: "idempotency_reused" });
  }
  expect(await listed(all)).toHaveLength(1);
});

test("what only looks different is the same body: defaults spelled out, fields in another order", async () => {
  const all = testWorld();
  const first = await all.post("/v1/restorations", { input: { file: FILE } }, key("k1"));
  const again = await all.post(
    "/v1/restorations",
    {
      preset: "balanced",
      input: { file: { content_length: FILE.content_length, content_type: FILE.content_type } },
    },
    key("k1"),
  );
  expect(again.status).toBe(202);
  expect(await again.json()).toEqual(await first.json());
});

test("a key belongs to its organisation", async () => {
  const all = testWorld();
  const mine = await bodyOf<Restoration>(await all.post("/v1/restorations", BODY, key("k1")));
  const theirs = await callerOf(all.app, "org_2").post("/v1/restorations", BODY, key("k1"));
  expect(theirs.headers.get("idempotent-replayed")).toBeNull();
  expect((await bodyOf<Restoration>(theirs)).id).not.toBe(mine.id);
});

test("a refused call leaves its key free", async () => {
  const all = testWorld();
  expect(
    (await all.post("/v1/restorations", { input: { file: { ...FILE, content_length: 0 } } }, key("k1")))
      .status,
  ).toBe(422);
  expect((await all.post("/v1/restorations", BODY, key("k1"))).status).toBe(202);
});

test("a replay tells an address that works, and starts nothing twice", async () => {
  const all = testWorld();
  await all.post("/v1/restorations", BODY, key("k1"));
  const replayed = await bodyOf<Restoration>(await all.post("/v1/restorations", BODY, key("k1")));
  expect((await send(all.app, replayed.upload)).status).toBe(200);
  await all.post("/v1/restorations", BODY, key("k1"));
  expect(all.intakes).toEqual([replayed.id]);
});

test("no signed address is stored with a key", async () => {
  const all = testWorld();
  await all.post("/v1/restorations", BODY, key("k1"));
  const row = await all.doors.store.get({ pk: "IDEM#org_1#k1", sk: "IDEM" });
  expect(JSON.stringify(row)).not.toContain("signature");
});

test("a key is kept for 48 hours, then swept, and then it is new", async () => {
  const all = testWorld();
  const first = await bodyOf<Restoration>(await all.post("/v1/restorations", BODY, key("k1")));
  await all.clock.advance(48 * HOUR_MS - 1);
  expect((await bodyOf<Restoration>(await all.post("/v1/restorations", BODY, key("k1")))).id).toBe(first.id);
  await all.clock.advance(1);
  expect((await bodyOf<Restoration>(await all.post("/v1/restorations", BODY, key("k1")))).id).not.toBe(
    first.id,
  );
  await all.clock.advance(48 * HOUR_MS);
  await sweep(all.doors);
  expect(await all.doors.store.get({ pk: "IDEM#org_1#k1", sk: "IDEM" })).toBeUndefined();
});

test.each(["", "with space", "ü", "x".repeat(256)])("the key %j is refused", async (name) => {
  const all = testWorld();
  const answer = await all.post("/v1/restorations", BODY, key(name));
  expect(answer.status).toBe(400);
  expect(await bodyOf(answer)).toMatchObject({
    code: "request_invalid",
    errors: [{ parameter: "idempotency-key" }],
  });
});

test("uploads know keys too", async () => {
  const all = testWorld();
  const first = await all.post("/v1/uploads", FILE, key("k1"));
  const second = await all.post("/v1/uploads", FILE, key("k1"));
  expect(second.headers.get("idempotent-replayed")).toBe("true");
  expect(await second.json()).toEqual(await first.json());
});
