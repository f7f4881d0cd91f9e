import { expect, test } from "vitest";
import { bodyOf, callerOf, FILE, queued, testWorld } from "./api-fixture.ts";
import { Problem } from "#functions/api/problem.ts";
import { API_BODY_BYTES_MAX } from "#shared/domain/limits.ts";

const BODY = { input: { file: FILE } };

test("a problem has one shape, is marked as one, and its request can be found in the log", async () => {
  const all = testWorld();
  const answer = await all.get("/v1/restorations/job_x");
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  const problem = Problem.parse(await answer.json());
  expect(problem).toMatchObject({
    type: "about:blank",
    title: "Not Found",
    status: 404,
    code: "restoration_missing",
  });
  expect(answer.headers.get("x-request-id")).toBe(problem.request_id);
  const line = all.lines
    .map((each) => JSON.parse(each))
    .find((each) => each.request_id === problem.request_id);
  expect(line).toMatchObject({
    event: "request",
    method: "GET",
    path: "/v1/restorations/job_x",
    status: 404,
    code: "restoration_missing",
    org: "org_1",
  });
});

test("a caller without valid credentials is answered 401 on every route below /v1 but the public one", async () => {
  const all = testWorld();
  const id = "job_00000000000000000000000000";
  const nobody = (method: string, path: string) => all.app.request(path, { method });
  for (const [method, path] of [
    ["POST", "/v1/uploads"],
    ["GET", "/v1/uploads/upl_x"],
    ["DELETE", "/v1/uploads/upl_x"],
    ["POST", "/v1/restorations"],
    ["GET", "/v1/restorations"],
    ["GET", `/v1/restorations/${id}`],
    ["GET", `/v1/restorations/${id}/events`],
    ["POST", `/v1/restorations/${id}/cancel`],
    ["GET", `/v1/restorations/${id}/result`],
    ["GET", "/v1/whatever"],
  ] as const) {
    const answer = await nobody(method, path);
    expect([path, answer.status, answer.headers.get("www-authenticate")]).toEqual([
      path,
      401,
      'Bearer realm="photokeep"',
    ]);
    expect(await bodyOf(answer)).toMatchObject({ code: "credentials_missing" });
  }
  for (const path of ["/v1/models", "/health", "/openapi.json", "/docs"])
    expect((await nobody("GET", path)).status).toBe(200);
});

test.each([
  [{ ...BODY, surprise: 1 }, "#/surprise", "the field “surprise” is not known"],
  [{ ...BODY, operations: { sharpen: true } }, "#/operations/sharpen", "the field “sharpen” is not known"],
  [{ ...BODY, operations: { upscale: 3 } }, "#/operations/upscale", "expected 1 or 2 or 4"],
  [{ ...BODY, operations: { faces: "yes" } }, "#/operations/faces", "expected “auto” or true or false"],
  [{ ...BODY, preset: "wild" }, "#/preset", "expected “faithful” or “balanced” or “enhanced”"],
  [{ ...BODY, output: { quality: 0 } }, "#/output/quality", "too small: expected number to be >=1"],
  [{ ...BODY, metadata: { "a/b~c": 1 } }, "#/metadata/a~1b~0c", "expected string"],
  [
    { ...BODY, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ""])) },
    "#/metadata",
    "at most 16 keys",
  ],
  [{ ...BODY, retention_hours: 0 }, "#/retention_hours", "too small: expected number to be >=1"],
  [{}, "#/input", "expected object"],
  [{ input: {} }, "#/input/upload", "expected string"],
  [{ input: { file: { content_type: "image/jpeg" } } }, "#/input/file/content_length", "expected number"],
  [{ input: { upload: "upl_x", file: FILE } }, "#/input/file", "the field “file” is not known"],
  [[], "#", "expected object"],
  [null, "#", "expected object"],
])("the body %j is refused with a pointer to what is wrong", async (body, pointer, detail) => {
  const all = testWorld();
  const answer = await all.post("/v1/restorations", body);
  expect(answer.status).toBe(400);
  const problem = Problem.parse(await answer.json());
  expect(problem.code).toBe("request_invalid");
  expect(problem.errors).toContainEqual({ pointer, detail });
});

test("a thousand unknown fields are not repeated back", async () => {
  const all = testWorld();
  const body = { ...BODY, ...Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`field_${i}`, i])) };
  const problem = Problem.parse(await (await all.post("/v1/restorations", body)).json());
  expect(problem.errors?.length).toBeLessThanOrEqual(20);
});

test("a wrong parameter is named", async () => {
  const all = testWorld();
  const problem = Problem.parse(await (await all.get("/v1/restorations?limit=many")).json());
  expect(problem.errors).toEqual([{ parameter: "limit", detail: "expected number" }]);
});

test("metadata cannot reach the prototype of anything", async () => {
  const all = testWorld();
  const answer = await all.post(
    "/v1/restorations",
    `{"input":{"file":${JSON.stringify(FILE)}},"metadata":{"__proto__":"x","a":"b"}}`,
  );
  expect(answer.status).toBe(202);
  const { metadata } = await bodyOf<{ metadata: Record<string, string> }>(answer);
  expect(Object.keys(metadata)).toEqual(["a"]);
  expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
});

test.each([
  ["{", { "content-type": "application/json" }, 400, "body_malformed"],
  ['"\ud800', { "content-type": "application/json" }, 400, "body_malformed"],
  ["a=b", { "content-type": "application/x-www-form-urlencoded" }, 415, "body_unsupported"],
  ["{}", { "content-type": "text/plain" }, 415, "body_unsupported"],
])("the body %j sent as %j is answered %i %s", async (body, headers, status, code) => {
  const all = testWorld();
  const answer = await all.post("/v1/restorations", body, headers);
  expect(answer.status).toBe(status);
  expect(Problem.parse(await answer.json()).code).toBe(code);
});

test("a body of 64 KiB is read, a byte more is not, whether its length is told or streamed", async () => {
  const all = testWorld();
  const padded = (bytes: number): string => JSON.stringify(BODY).padEnd(bytes, " ");
  expect((await all.post("/v1/restorations", padded(API_BODY_BYTES_MAX))).status).toBe(202);
  const told = await all.post("/v1/restorations", padded(API_BODY_BYTES_MAX + 1));
  expect([told.status, (await bodyOf(told))["code"]]).toEqual([413, "body_oversized"]);
  const streamed = new Request("http://localhost/v1/restorations", {
    method: "POST",
    headers: { authorization: "Bearer org_1", "content-type": "application/json" },
    body: new Blob([padded(API_BODY_BYTES_MAX + 1)]).stream(),
    duplex: "half",
  });
  expect((await all.app.request(streamed)).status).toBe(413);
});

test("a bug is answered without a word of it, and logged whole", async () => {
  const all = testWorld();
  const broken = testWorld({
    store: { ...all.doors.store, get: () => Promise.reject(new TypeError("secret of the house")) },
  });
  const answer = await broken.get("/v1/restorations/job_00000000000000000000000000");
  expect(answer.status).toBe(500);
  const text = await answer.text();
  expect(text).not.toContain("secret");
  expect(Problem.parse(JSON.parse(text))).toMatchObject({
    code: "internal_error",
    title: "Internal Server Error",
  });
  expect(broken.lines.find((line) => line.includes('"request_failed"'))).toContain("secret of the house");
});

test("an address without a route is answered 404, and a known one with another method 405 and what it takes", async () => {
  const all = testWorld();
  expect(await bodyOf(await all.get("/v1/nothing"))).toMatchObject({ status: 404, code: "route_missing" });
  expect(await bodyOf(await all.get("/nothing"))).toMatchObject({ status: 404, code: "route_missing" });
  const answer = await all.remove("/v1/restorations");
  expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST, GET, HEAD"]);
  expect(Problem.parse(await answer.json()).code).toBe("method_refused");
});

test("signatures and credentials never reach the log", async () => {
  const all = testWorld();
  await queued(all);
  await callerOf(all.app, "a_very_secret_key").get("/v1/restorations");
  expect(all.lines.join("")).not.toMatch(/signature=[0-9a-f]/);
  expect(all.lines.join("")).not.toContain("Bearer");
});
