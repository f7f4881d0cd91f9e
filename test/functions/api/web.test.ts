import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { testWorld } from "./api-fixture.ts";
import { webRoutes } from "#functions/api/web.ts";

const served = async (ask: Parameters<typeof webRoutes>[0] = {}) => {
  const { app } = testWorld();
  app.route("/", webRoutes(ask));
  const answer = await app.request("/");
  const page = await answer.text();
  const addresses = [...page.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(
    ([, address]) => address ?? "",
  );
  return { app, answer, page, addresses, folder: /\/assets\/[0-9a-f]{16}\//.exec(page)?.[0] ?? "" };
};

test("the page and everything it names is served, with its type, for ever, and never sniffed", async () => {
  const { app, answer, addresses, folder } = await served();
  expect(answer.headers.get("content-type")).toBe("text/html; charset=UTF-8");
  expect(answer.headers.get("cache-control")).toBe("no-cache");
  expect(addresses.length).toBeGreaterThanOrEqual(4);
  const types: Record<string, string> = {
    js: "text/javascript; charset=utf-8",
    css: "text/css; charset=utf-8",
    svg: "image/svg+xml",
  };
  const imported = readdirSync(new URL("../../../functions/api/web/", import.meta.url)).filter((name) =>
    /\.(js|css|svg)$/.test(name),
  );
  for (const address of [...addresses, ...imported.map((name) => folder + name)]) {
    const asset = await app.request(address);
    expect([address, asset.status]).toEqual([address, 200]);
    expect(asset.headers.get("content-type")).toBe(types[address.split(".").at(-1) ?? ""]);
    expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(asset.headers.get("x-content-type-options")).toBe("nosniff");
    expect((await asset.arrayBuffer()).byteLength).toBeGreaterThan(100);
  }
});

test("nothing of the page comes from elsewhere, and nothing of it is inline", async () => {
  const { answer, page } = await served();
  expect(page).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
  expect(page).not.toMatch(/<script(?![^>]*src=)|<style|\sstyle=|\son\w+=/);
  const policy = answer.headers.get("content-security-policy") ?? "";
  expect(policy).not.toContain("unsafe");
  for (const part of [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ])
    expect(policy).toContain(part);
});

test("photographs that lie elsewhere may be shown and sent there, and only there", async () => {
  const { answer } = await served({ photoOrigins: ["https://photos.example"] });
  const policy = answer.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("img-src 'self' https://photos.example blob:");
  expect(policy).toContain("connect-src 'self' https://photos.example");
});

test.each(["package.json", "../web.ts", "..%2fweb.ts", "%2e%2e/web.ts", "tsconfig.json", "index.html", ""])(
  "%s is not among the assets",
  async (name) => {
    const { app, folder } = await served();
    expect((await app.request(folder + name)).status).toBe(404);
  },
);

test("another version of an asset is not served: it would be kept for ever", async () => {
  const { app } = await served();
  expect((await app.request("/assets/0000000000000000/page.css")).status).toBe(404);
});
