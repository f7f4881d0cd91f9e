import { expect, test } from "vitest";
import { bodyOf, BYTES, callerOf, FILE, send, testWorld } from "./api-fixture.ts";
import { sweep } from "#functions/sweep/sweep.ts";
import { UPLOAD_BYTES_MAX, UPLOAD_TTL_MS } from "#shared/domain/limits.ts";

interface Slot {
  id: string;
  status: string;
  url: string | null;
  headers: Record<string, string>;
  expires_at: string;
  restoration: string | null;
}

test("an upload slot takes exactly the bytes that were announced, and a restoration can be made of them", async () => {
  const all = testWorld();
  const answer = await all.post("/v1/uploads", FILE);
  expect(answer.status).toBe(201);
  const slot = await bodyOf<Slot>(answer);
  expect(answer.headers.get("location")).toBe(`/v1/uploads/${slot.id}`);
  expect(slot).toMatchObject({ object: "upload", status: "waiting", method: "PUT", restoration: null });

  expect((await send(all.app, slot)).status).toBe(200);
  expect(await bodyOf(await all.get(`/v1/uploads/${slot.id}`))).toMatchObject({
    status: "received",
    url: null,
    headers: {},
  });

  const created = await all.post("/v1/restorations", { input: { upload: slot.id } });
  expect(created.status).toBe(202);
  const restoration = await bodyOf<{
    id: string;
    status: string;
    upload: null;
    input: { bytes: number; sha256: string };
  }>(created);
  expect(restoration).toMatchObject({ status: "queued", upload: null, input: { bytes: BYTES.length } });
  expect(restoration.input.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(all.intakes).toEqual([restoration.id]);
  expect(await bodyOf(await all.get(`/v1/uploads/${slot.id}`))).toMatchObject({
    status: "used",
    restoration: restoration.id,
  });
});

test("an upload is used by one restoration only, however many ask at once", async () => {
  const all = testWorld();
  const slot = await bodyOf<Slot>(await all.post("/v1/uploads", FILE));
  await send(all.app, slot);
  const asking = Array.from({ length: 8 }, () =>
    all.post("/v1/restorations", { input: { upload: slot.id } }),
  );
  await all.clock.advance(10_000);
  const answers = await Promise.all(asking);
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(7);
  const refused = await bodyOf(answers.find(({ status }) => status === 409) ?? answers[0]!);
  expect(refused["code"]).toBe("upload_used");
});

test("an upload whose bytes have not arrived makes no restoration", async () => {
  const all = testWorld();
  const slot = await bodyOf<Slot>(await all.post("/v1/uploads", FILE));
  const answer = await all.post("/v1/restorations", { input: { upload: slot.id } });
  expect(answer.status).toBe(409);
  expect(await bodyOf(answer)).toMatchObject({ code: "upload_incomplete" });
});

test("a deleted upload is gone with its bytes, and with bytes that arrive late", async () => {
  const all = testWorld();
  const slot = await bodyOf<Slot>(await all.post("/v1/uploads", FILE));
  await send(all.app, slot);
  expect((await all.remove(`/v1/uploads/${slot.id}`)).status).toBe(204);
  expect((await all.get(`/v1/uploads/${slot.id}`)).status).toBe(404);
  expect((await all.remove(`/v1/uploads/${slot.id}`)).status).toBe(404);
  expect((await all.post("/v1/restorations", { input: { upload: slot.id } })).status).toBe(404);
  expect(await all.doors.blobs.head(`uploads/${slot.id}`)).toBeUndefined();

  await send(all.app, slot);
  await all.clock.advance(2 * UPLOAD_TTL_MS + 1);
  await sweep(all.doors);
  expect(await all.doors.blobs.head(`uploads/${slot.id}`)).toBeUndefined();
});

test("an upload that a restoration has used cannot be deleted under it", async () => {
  const all = testWorld();
  const slot = await bodyOf<Slot>(await all.post("/v1/uploads", FILE));
  await send(all.app, slot);
  await all.post("/v1/restorations", { input: { upload: slot.id } });
  const answer = await all.remove(`/v1/uploads/${slot.id}`);
  expect(answer.status).toBe(409);
  await all.clock.advance(2 * UPLOAD_TTL_MS + 1);
  await sweep(all.doors);
  expect(await all.doors.blobs.head(`uploads/${slot.id}`)).toBeDefined();
});

test("an upload that nobody used is deleted with its bytes when its time is over", async () => {
  const all = testWorld();
  const slot = await bodyOf<Slot>(await all.post("/v1/uploads", FILE));
  await send(all.app, slot);
  await all.clock.advance(UPLOAD_TTL_MS + 1);
  expect(await bodyOf(await all.get(`/v1/uploads/${slot.id}`))).toMatchObject({ status: "received" });
  await all.clock.advance(UPLOAD_TTL_MS);
  await sweep(all.doors);
  expect((await all.get(`/v1/uploads/${slot.id}`)).status).toBe(404);
  expect(await all.doors.blobs.head(`uploads/${slot.id}`)).toBeUndefined();
});

test("the address of a slot is told until it closes", async () => {
  const all = testWorld();
  const slot = await bodyOf<Slot>(await all.post("/v1/uploads", FILE));
  expect((await bodyOf<Slot>(await all.get(`/v1/uploads/${slot.id}`))).url).toBe(slot.url);
  await all.clock.advance(UPLOAD_TTL_MS);
  expect((await bodyOf<Slot>(await all.get(`/v1/uploads/${slot.id}`))).url).toBeNull();
  expect((await send(all.app, slot)).status).toBe(403);
});

test("bytes of another length or checksum than announced are refused", async () => {
  const all = testWorld();
  const slot = await bodyOf<Slot>(
    await all.post("/v1/uploads", { ...FILE, checksum_sha256: "AB".repeat(32) }),
  );
  expect((await send(all.app, slot)).status).toBe(400);
  expect(
    (await send(all.app, { ...slot, headers: { ...slot.headers, "content-length": "5" } }, BYTES.slice(0, 5)))
      .status,
  ).toBe(403);
});

test.each([
  [{ ...FILE, content_length: 0 }, 422, "image_empty"],
  [{ ...FILE, content_length: UPLOAD_BYTES_MAX + 1 }, 422, "image_oversized"],
  [{ ...FILE, content_type: "text/html" }, 400, "request_invalid"],
  [{ ...FILE, content_length: 1.5 }, 400, "request_invalid"],
  [{ ...FILE, checksum_sha256: "abc" }, 400, "request_invalid"],
  [{ ...FILE, surprise: 1 }, 400, "request_invalid"],
  [{}, 400, "request_invalid"],
])(
  "a file announced as %j is refused with %i %s, alone and within a restoration",
  async (file, status, code) => {
    const all = testWorld();
    for (const answer of [
      await all.post("/v1/uploads", file),
      await all.post("/v1/restorations", { input: { file } }),
    ]) {
      expect(answer.status).toBe(status);
      expect(await bodyOf(answer)).toMatchObject({ code });
    }
    expect(all.intakes).toEqual([]);
  },
);

test("the largest and the smallest file allowed are taken", async () => {
  const all = testWorld();
  for (const content_length of [1, UPLOAD_BYTES_MAX])
    expect((await all.post("/v1/uploads", { ...FILE, content_length })).status).toBe(201);
});

test("another's upload cannot be read, deleted or used, and the answer is that of one that never was", async () => {
  const all = testWorld();
  const slot = await bodyOf<Slot>(await all.post("/v1/uploads", FILE));
  await send(all.app, slot);
  const other = callerOf(all.app, "org_2");
  const never = `upl_${"0".repeat(26)}`;
  const answers = await Promise.all(
    [slot.id, never, "upl_x", "JOB"].flatMap((id) => [
      other.get(`/v1/uploads/${id}`),
      other.remove(`/v1/uploads/${id}`),
      other.post("/v1/restorations", { input: { upload: id } }),
    ]),
  );
  const bodies = await Promise.all(answers.map((answer) => bodyOf(answer)));
  for (const body of bodies) expect({ ...body, request_id: "" }).toEqual({ ...bodies[0], request_id: "" });
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
});
