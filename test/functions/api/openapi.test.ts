import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { bodyOf, succeeded, testWorld } from "./api-fixture.ts";
import { CATALOGUE } from "#shared/domain/catalogue.ts";

interface Document {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
}
interface Operation {
  operationId: string;
  summary: string;
  security?: unknown[];
  parameters?: { name: string; in: string; required?: boolean; schema: unknown }[];
  responses: Record<string, { description: string; content?: Record<string, { schema: unknown }> }>;
}

const METHODS = ["get", "post", "put", "patch", "delete"];
/** Told by no document: the document itself, its page, and the door of the fixture. */
const UNTOLD = new Set(["GET /openapi.json", "GET /docs", "ALL /blobs/*"]);

const readDocument = async (): Promise<{ document: Document; app: ReturnType<typeof testWorld>["app"] }> => {
  const { app } = testWorld();
  return { document: await bodyOf<Document>(await app.request("/openapi.json")), app };
};

test("the document is OpenAPI 3.1 and tells every route, and no other", async () => {
  const { document, app } = await readDocument();
  expect(document).toMatchObject({ openapi: "3.1.0", info: { version: "1.2.3" } });
  const told = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = app.routes
    .filter(({ method, path }) => !(method === "ALL" && (path === "/*" || path === "/v1/*")))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`)
    .filter((route) => !UNTOLD.has(route));
  expect(told.toSorted()).toEqual([...new Set(served)].toSorted());
  expect(told).toContain("POST /v1/restorations");
});

test("every operation is named once, summed up, answers problems, and describes each parameter of its path", async () => {
  const { document } = await readDocument();
  const names: string[] = [];
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      expect(METHODS).toContain(method);
      names.push(operation.operationId);
      expect(operation.summary).not.toBe("");
      expect(operation.responses["default"]?.content).toHaveProperty("application/problem+json");
      for (const response of Object.values(operation.responses)) expect(response.description).not.toBe("");
      const inPath = (operation.parameters ?? [])
        .filter((each) => each.in === "path")
        .map(({ name }) => name);
      expect(inPath).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      for (const parameter of operation.parameters ?? []) expect(parameter.schema).toBeDefined();
    }
  }
  expect(new Set(names).size).toBe(names.length);
});

test("every reference of the document leads somewhere, and no schema speaks the dialect of 3.0", async () => {
  const { document } = await readDocument();
  const references: string[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, each] of Object.entries(value)) {
      if (name === "$ref") references.push(String(each));
      expect(name).not.toBe("nullable");
      walk(each);
    }
  };
  walk(document);
  expect(references.length).toBeGreaterThan(10);
  for (const reference of references) {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1] ?? "";
    expect(document.components.schemas).toHaveProperty(name);
  }
});

test("what is public is told to need no credentials", async () => {
  const { document } = await readDocument();
  expect(document.paths["/v1/models"]?.["get"]?.security).toEqual([]);
  expect(document.paths["/health"]?.["get"]?.security).toEqual([]);
  expect(document.paths["/v1/restorations"]?.["get"]?.security).toBeUndefined();
  expect(document.components.securitySchemes).toEqual({ bearer: { type: "http", scheme: "bearer" } });
});

test("the page of the description tells the same routes and runs nothing", async () => {
  const { document, app } = await readDocument();
  const answer = await app.request("/docs");
  const page = await answer.text();
  for (const path of Object.keys(document.paths)) expect(page).toContain(path);
  expect(page).not.toContain("<script");
  const policy = answer.headers.get("content-security-policy") ?? "";
  const style = /<style>([^<]*)<\/style>/.exec(page)?.[1] ?? "";
  expect(policy).toContain(`style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
});

test("the models are told with their licences", async () => {
  const { app } = testWorld();
  const { data } = await bodyOf<{ data: { id: string; licence: { name: string; class: string } }[] }>(
    await app.request("/v1/models"),
  );
  expect(data.map(({ id }) => id)).toEqual(CATALOGUE.map(({ id }) => id));
  for (const { licence } of data) expect(licence.name).not.toBe("");
});

test("health tells the version", async () => {
  const { app } = testWorld();
  expect(await bodyOf(await app.request("/health"))).toEqual({ status: "ok", version: "1.2.3" });
});

test("a restoration that has run its course can be listed and read in the same words", async () => {
  const all = testWorld();
  const done = await succeeded(all);
  const { data } = await bodyOf<{ data: unknown[] }>(await all.get("/v1/restorations"));
  expect(data).toEqual([done]);
});
