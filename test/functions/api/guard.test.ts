import { expect, test } from "vitest";
import { bodyOf, FILE, testWorld } from "./api-fixture.ts";

const BODY = JSON.stringify({ input: { file: FILE } });
const guarded = () => testWorld({ allowedHosts: ["photos.example", "nas.local"] });

test.each([
  "localhost",
  "localhost:8787",
  "127.0.0.1:8787",
  "127.1.2.3",
  "[::1]:8787",
  "LOCALHOST",
  "photos.example",
  "nas.local:8787",
])("the host %s is answered", async (host) => {
  const { app } = guarded();
  expect((await app.request("/health", { headers: { host } })).status).toBe(200);
});

test.each([
  "evil.example",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "photos.example.evil.example",
  "127.evil",
  "evil@localhost",
  "10.0.0.1",
  "",
  "localhost:8787:1",
])("the host %j is refused, whatever is asked", async (host) => {
  const { app } = guarded();
  for (const path of ["/health", "/v1/restorations", "/openapi.json"]) {
    const answer = await app.request(path, { headers: { host } });
    expect([answer.status, (await bodyOf(answer))["code"]]).toEqual([421, "host_refused"]);
  }
});

test("a page of another site cannot change anything, and its own page can", async () => {
  const all = guarded();
  const post = (origin: string) => all.post("/v1/restorations", BODY, { host: "localhost:8787", origin });
  for (const origin of [
    "https://evil.example",
    "null",
    "http://localhost:9999",
    "http://127.0.0.1:8787",
    "nonsense",
  ]) {
    const answer = await post(origin);
    expect([answer.status, (await bodyOf(answer))["code"]]).toEqual([403, "origin_refused"]);
  }
  expect((await post("http://localhost:8787")).status).toBe(202);
  expect(
    (await all.get("/v1/restorations", { host: "localhost:8787", origin: "https://evil.example" })).status,
  ).toBe(200);
});

test("behind a gateway any host is answered", async () => {
  const { app } = testWorld();
  expect((await app.request("/health", { headers: { host: "api.example" } })).status).toBe(200);
});

test("every answer carries the security headers, problems and unknown addresses included", async () => {
  const all = testWorld();
  for (const path of [
    "/health",
    "/v1/restorations",
    "/v1/restorations/job_x",
    "/v1/models",
    "/nothing",
    "/openapi.json",
  ]) {
    const { headers } = await all.get(path);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("access-control-allow-origin")).toBeNull();
    expect(headers.get("strict-transport-security")).toBeNull();
  }
  expect(
    (await all.app.request("https://api.example/health")).headers.get("strict-transport-security"),
  ).toContain("max-age=");
});

test("headers that a mounted route sets itself are left alone", async () => {
  const all = testWorld();
  const { id } = await bodyOf<{ id: string }>(await all.post("/v1/restorations", BODY));
  expect((await all.get(`/v1/restorations/${id}`)).headers.get("cache-control")).toBe("private, no-cache");
});
