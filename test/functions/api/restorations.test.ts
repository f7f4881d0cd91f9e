import { expect, test } from "vitest";
import {
  bodyOf,
  callerOf,
  FILE,
  intakeDone,
  intakeStarted,
  queued,
  send,
  storedJob,
  succeeded,
  testWorld,
} from "./api-fixture.ts";
import { Restoration } from "#functions/api/restoration-schema.ts";
import { apply } from "#functions/apply.ts";
import { sweep } from "#functions/sweep/sweep.ts";
import { jobKey } from "#shared/domain/job.ts";

const DAY_MS = 24 * 3_600_000;

interface List {
  data: Restoration[];
  next_cursor: string | null;
}

test("announcing a file creates a restoration that waits for its bytes, and the bytes start it", async () => {
  const all = testWorld();
  const answer = await all.post("/v1/restorations", { input: { file: FILE } });
  expect(answer.status).toBe(202);
  const created = Restoration.parse(await answer.json());
  expect(answer.headers.get("location")).toBe(created.links.self);
  expect(answer.headers.get("retry-after")).toBe("2");
  expect(created).toMatchObject({ status: "awaiting_upload", queued_at: null, upload: { method: "PUT" } });
  expect(created.stages.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
    "analyze waiting",
    "repair waiting",
    "denoise waiting",
    "colorize waiting",
    "faces waiting",
    "upscale waiting",
    "finish waiting",
  ]);

  expect((await send(all.app, created.upload)).status).toBe(200);
  const read = await bodyOf<Restoration>(await all.get(created.links.self));
  expect(read).toMatchObject({ status: "queued", upload: null });
  expect(all.intakes).toEqual([created.id]);
});

test("what was asked for is what the restoration says, defaults filled in", async () => {
  const all = testWorld();
  const ask = {
    input: { file: FILE },
    preset: "faithful",
    operations: { upscale: 4, faces: false },
    output: { format: "jpeg", quality: 80 },
    external_id: "order-991",
    metadata: { file_name: "grandma.jpg" },
    deadline: { start_within: 60, finish_within: 300 },
    retention_hours: 24,
  };
  const created = Restoration.parse(await (await all.post("/v1/restorations", ask)).json());
  expect(created.options).toEqual({
    preset: "faithful",
    operations: { repair: "auto", denoise: "auto", colorize: false, faces: false, upscale: 4, tone: "auto" },
    output: { format: "jpeg", quality: 80, bits: 8, keep_credits: false },
    deadline: { start_within: 60, finish_within: 300 },
    retention_hours: 24,
  });
  expect(created).toMatchObject({ external_id: "order-991", metadata: { file_name: "grandma.jpg" } });
});

test("a restoration whose record is damaged says so, and hides no other from the list", async () => {
  const all = testWorld();
  const [sound, broken] = [await queued(all), await queued(all)];
  const item = await all.doors.store.get(jobKey(broken.id));
  if (item === undefined) throw new Error("it is not stored");
  const body = { ...(item.body as object), finishBy: null };
  await all.doors.store.transact([{ op: "put", item: { ...item, body }, when: { rev: item.rev } }]);
  const answer = await all.get(broken.links.self);
  expect(answer.status).toBe(409);
  expect(await answer.json()).toMatchObject({ code: "job_damaged" });
  const { data } = await bodyOf<List>(await all.get("/v1/restorations"));
  expect(data.map((each) => Restoration.parse(each).id)).toEqual([sound.id]);
});

test("the list shows the newest first, page by page, and nothing of others", async () => {
  const all = testWorld();
  const ids: string[] = [];
  for (let i = 0; i < 7; i++) {
    ids.unshift(
      (await bodyOf<Restoration>(await all.post("/v1/restorations", { input: { file: FILE } }))).id,
    );
    await all.clock.advance(1);
  }
  await callerOf(all.app, "org_2").post("/v1/restorations", { input: { file: FILE } });

  const seen: string[] = [];
  let cursor = "";
  do {
    const page = await bodyOf<List>(await all.get(`/v1/restorations?limit=3${cursor}`));
    expect(page.data.length).toBeLessThanOrEqual(3);
    seen.push(...page.data.map((each) => Restoration.parse(each).id));
    cursor = page.next_cursor === null ? "" : `&cursor=${encodeURIComponent(page.next_cursor)}`;
  } while (cursor !== "");
  expect(seen).toEqual(ids);
});

test.each([
  "limit=0",
  "limit=101",
  "limit=1.5",
  "limit=x",
  "cursor=",
  "cursor=!!",
  "cursor=e30",
  "status=done",
  "limit=1&limit=2",
])("the list refuses ?%s", async (query) => {
  const all = testWorld();
  expect((await all.get(`/v1/restorations?${query}`)).status).toBe(400);
});

test("a cursor of one organisation shows another nothing but its own", async () => {
  const all = testWorld();
  for (let i = 0; i < 3; i++) await all.post("/v1/restorations", { input: { file: FILE } });
  const { next_cursor } = await bodyOf<List>(await all.get("/v1/restorations?limit=1"));
  const page = await bodyOf<List>(
    await callerOf(all.app, "org_2").get(`/v1/restorations?cursor=${next_cursor}`),
  );
  expect(page.data).toEqual([]);
});

test("every route answers a foreign, an unknown and a malformed id with the same 404", async () => {
  const all = testWorld();
  const { id } = await succeeded(all);
  const other = callerOf(all.app, "org_2");
  const answers = await Promise.all(
    [id, `job_${"0".repeat(26)}`, "job_x", "JOB", `${id}x`].flatMap((each) => [
      other.get(`/v1/restorations/${each}`),
      other.get(`/v1/restorations/${each}`, { prefer: "wait=30" }),
      other.get(`/v1/restorations/${each}/events`),
      other.post(`/v1/restorations/${each}/cancel`),
      other.remove(`/v1/restorations/${each}`),
      other.get(`/v1/restorations/${each}/result`),
    ]),
  );
  const bodies = await Promise.all(answers.map((answer) => bodyOf(answer)));
  expect(bodies[0]).toMatchObject({ status: 404, code: "restoration_missing" });
  for (const body of bodies) expect({ ...body, request_id: "" }).toEqual({ ...bodies[0], request_id: "" });
});

test("a foreign cancel moves nothing", async () => {
  const all = testWorld();
  const { id } = await queued(all);
  await callerOf(all.app, "org_2").post(`/v1/restorations/${id}/cancel`);
  expect((await storedJob(all, id)).status).toBe("queued");
});

test("an erased restoration is forgotten at once, and its bytes go, those of a writer who was late, too", async () => {
  const all = testWorld();
  const { id, links } = await succeeded(all);
  expect((await all.remove(links.self)).status).toBe(204);
  expect((await all.get(links.self)).status).toBe(404);
  expect((await all.get(links.result)).status).toBe(404);
  expect((await bodyOf<List>(await all.get("/v1/restorations"))).data).toEqual([]);
  const left = async () => (await all.doors.blobs.list(`jobs/${id}/`, { limit: 100 })).rows;
  expect(await left()).toEqual([]);
  await all.doors.blobs.write(`jobs/${id}/upscale/e1-late.tif`, new Uint8Array(4), "image/tiff");
  expect((await all.remove(links.self)).status).toBe(204);
  await all.clock.advance(DAY_MS / 2);
  await sweep(all.doors);
  expect(await left()).toEqual([]);
  expect(await storedJob(all, id)).toMatchObject({ status: "expired", discarded: true });
});

test("erasing a restoration that runs cancels it, and forgets what was written beside it", async () => {
  const all = testWorld();
  const ask = { input: { file: FILE }, external_id: "order-1", metadata: { file_name: "grandma.jpg" } };
  const { id, upload, links } = Restoration.parse(await (await all.post("/v1/restorations", ask)).json());
  await send(all.app, upload);
  expect((await all.remove(links.self)).status).toBe(204);
  const job = await storedJob(all, id);
  expect(job.status).toBe("canceled");
  expect(JSON.stringify(job)).not.toMatch(/order-1|grandma/);
  expect((await all.doors.blobs.list(`jobs/${id}/`, { limit: 100 })).rows).toEqual([]);
});

test("a cancel ends the restoration; again, or too late, it changes nothing and says how it stands", async () => {
  const all = testWorld();
  const { id, links } = await queued(all);
  const first = await bodyOf<Restoration>(await all.post(links.cancel));
  expect(first).toMatchObject({ id, status: "canceled", error: null });
  expect(first.stages.every(({ status }) => status === "canceled")).toBe(true);
  const second = await all.post(links.cancel);
  expect([second.status, (await bodyOf<Restoration>(second)).status]).toEqual([200, "canceled"]);

  const done = await succeeded(all);
  const late = await all.post(done.links.cancel);
  expect([late.status, (await bodyOf<Restoration>(late)).status]).toEqual([200, "succeeded"]);
});

test("an unchanged restoration is not sent again", async () => {
  const all = testWorld();
  const { id, links } = await queued(all);
  const etag = (await all.get(links.self)).headers.get("etag") ?? "";
  expect(etag).toMatch(/^W\/"[0-9a-f]{24}"$/);
  for (const known of [etag, etag.replace("W/", ""), `"other", ${etag}`, "*"]) {
    const answer = await all.get(links.self, { "if-none-match": known });
    expect([answer.status, await answer.text(), answer.headers.get("etag")]).toEqual([304, "", etag]);
  }
  expect((await all.get(links.self, { "if-none-match": '"other"' })).status).toBe(200);
  await intakeStarted(all, id);
  expect((await all.get(links.self, { "if-none-match": etag })).status).toBe(200);
});

test("links are the same within their window, and new, under a new tag, before they run out", async () => {
  const all = testWorld();
  const done = await succeeded(all);
  const first = await all.get(done.links.self);
  const etag = first.headers.get("etag") ?? "";
  const url = (await bodyOf<Restoration>(first)).output?.url ?? "";
  await all.clock.advance(1_000);
  expect((await bodyOf<Restoration>(await all.get(done.links.self))).output?.url).toBe(url);
  for (let minutes = 0; minutes < 120; minutes += 5) {
    await all.clock.advance(5 * 60_000);
    const answer = await all.get(done.links.self, { "if-none-match": etag });
    if (answer.status === 200) break;
    expect((await all.app.request(url)).status).toBe(200);
  }
  const renewed = await bodyOf<Restoration>(await all.get(done.links.self));
  expect(renewed.output?.url).not.toBe(url);
  expect((await all.app.request(renewed.output?.url ?? "")).status).toBe(200);
});

test("the result is a redirect to a signed download under the photograph's own name", async () => {
  const all = testWorld();
  const { links } = await succeeded(all, {
    metadata: { file_name: "../Oma & Opa – Köln 1931.JPEG" },
    output: { format: "png" },
  });
  const answer = await all.get(links.result);
  expect(answer.status).toBe(302);
  const file = await all.app.request(answer.headers.get("location") ?? "");
  expect(await file.text()).toBe("the restored photograph");
  expect(decodeURIComponent(file.headers.get("content-disposition") ?? "")).toContain(
    "''Oma Opa Köln 1931-restored.png",
  );
});

test("a photograph without a usable name is called by its id", async () => {
  const all = testWorld();
  for (const metadata of [{}, { file_name: "///" }, { file_name: ".jpg" }]) {
    const { id, links } = await succeeded(all, { metadata });
    const address = (await all.get(links.result)).headers.get("location") ?? "";
    expect(decodeURIComponent(address)).toContain(`photokeep-${id.slice(4)}-restored.png`);
  }
});

test("there is no result before the end, none of what failed, and none after its retention", async () => {
  const all = testWorld();
  const open = await queued(all);
  const early = await all.get(open.links.result);
  expect([early.status, (await bodyOf(early))["code"]]).toEqual([409, "result_unready"]);
  await all.post(open.links.cancel);
  const never = await all.get(open.links.result);
  expect([never.status, (await bodyOf(never))["code"]]).toEqual([409, "result_absent"]);

  const done = await succeeded(all, { retention_hours: 24 });
  await all.clock.advance(DAY_MS + 1);
  await sweep(all.doors);
  const late = await all.get(done.links.result);
  expect([late.status, (await bodyOf(late))["code"]]).toEqual([410, "result_expired"]);
  expect(Restoration.parse(await (await all.get(done.links.self)).json())).toMatchObject({
    status: "expired",
    output: null,
    before: null,
  });
});

test("a slot that nobody filled expires, and there is no result of it", async () => {
  const all = testWorld();
  const created = await bodyOf<Restoration>(await all.post("/v1/restorations", { input: { file: FILE } }));
  await all.clock.advance(2 * 3_600_000);
  await sweep(all.doors);
  expect(await bodyOf(await all.get(created.links.self))).toMatchObject({ status: "expired" });
  expect(await bodyOf(await all.get(created.links.result))).toMatchObject({ code: "result_absent" });
});

test("a store that is down is answered with 503 and when to come back", async () => {
  const { Fault } = await import("#shared/domain/fault.ts");
  const all = testWorld();
  const { links } = await queued(all);
  const down = testWorld({
    store: {
      ...all.doors.store,
      get: () =>
        Promise.reject(new Fault("busy", "store_busy", "The store is busy; please repeat the call.")),
    },
  });
  for (const path of [links.self, "/health"]) {
    const answer = await down.get(path);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
  }
});

test("a creation that loses every try is answered busy, and leaves nothing behind", async () => {
  const all = testWorld();
  const losing = testWorld({
    store: {
      ...all.doors.store,
      transact: async (writes) => ({ ok: false, refusals: writes.map(() => "conflict" as const) }),
    },
  });
  const asking = losing.post("/v1/restorations", { input: { file: FILE } });
  await losing.clock.advance(60_000);
  const answer = await asking;
  expect([answer.status, (await bodyOf(answer))["code"]]).toEqual([503, "store_busy"]);
});

test("a failed intake is told with its own code and sentence", async () => {
  const all = testWorld();
  const { id, links } = await queued(all);
  await intakeStarted(all, id);
  const message = "This is no photograph, but a PDF. Please export it as an image.";
  await apply(all.doors, id, {
    type: "intake-failed",
    epoch: 1,
    code: "input_unsupported",
    message,
    final: true,
  });
  const failed = Restoration.parse(await (await all.get(links.self)).json());
  expect(failed).toMatchObject({
    status: "failed",
    error: { code: "input_unsupported", message, retryable: false },
  });
});

test("intake is shown while it reads, and what it found afterwards", async () => {
  const all = testWorld();
  const { id, links } = await queued(all);
  await intakeStarted(all, id);
  expect(await bodyOf(await all.get(links.self))).toMatchObject({
    progress: { stage: "intake", doing: "reading" },
    input: { width: null },
  });
  await intakeDone(all, id);
  expect(await bodyOf(await all.get(links.self))).toMatchObject({
    progress: null,
    input: { width: 800, height: 600, format: "jpeg" },
  });
});
