import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { createControlClient } from "#agent/control-client.ts";
import { ability } from "./fake-worker.ts";

interface Heard {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

/** A server that answers everything with one status and body. */
async function openServer(answer: { status: number; body: string; headers?: Record<string, string> }) {
  const heard: Heard[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      heard.push({
        url: request.url,
        headers: request.headers,
        body: JSON.parse(Buffer.concat(chunks).toString()),
      });
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    heard,
    control: createControlClient({ url: `http://127.0.0.1:${port}`, fleetSecret: "fleet" }),
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

const run = { job: "job_1", stage: "analyze", epoch: 1 } as const;

test("an agent registers with the fleet's secret and speaks with its own token from then on", async () => {
  await using server = await openServer({ status: 200, body: `{"agent":"agt_1","token":"t","beatMs":5000}` });
  const capabilities = { protocol: 1, slots: 1, ...ability } as const;
  expect(await server.control.register(capabilities)).toEqual({ agent: "agt_1", token: "t", beatMs: 5000 });
  await server.control.goodbye("t");
  expect(server.heard.map(({ url, headers }) => [url, headers.authorization])).toEqual([
    ["/agents/register", "Bearer fleet"],
    ["/agents/goodbye", "Bearer t"],
  ]);
  expect(server.heard[0]?.body).toEqual(capabilities);
});

test("what is asked arrives as it was asked, under its own path", async () => {
  await using server = await openServer({ status: 200, body: `{"verdict":"stale","drop":[]}` });
  const { control } = server;
  await control.beat("t", { seq: 1, runs: [run], hot: [], ahead: false });
  await control.complete("t", {
    ...run,
    outputs: {},
    timings: { seconds: 1, modelSeconds: 0, loadSeconds: 0 },
    warnings: [],
  });
  await control.fail("t", { ...run, failure: "bug", message: "x" });
  await control.release("t", run);
  expect(server.heard.map(({ url }) => url)).toEqual([
    "/agents/beat",
    "/agents/complete",
    "/agents/fail",
    "/agents/release",
  ]);
  expect(server.heard.at(-1)?.body).toEqual(run);
});

test.each([
  [500, "", "control_unreachable"],
  [503, "{}", "control_unreachable"],
  [429, "{}", "control_unreachable"],
  [401, "{}", "agent_unknown"],
  [404, "{}", "agent_unknown"],
  [400, "{}", "request_refused"],
  [409, "{}", "request_refused"],
  [200, "not json", "request_refused"],
  [200, `{"verdict":"perhaps"}`, "request_refused"],
  [200, "x".repeat(2 ** 21), "control_unreachable"],
])("an answer of %i with %.20s is %s", async (status, body, code) => {
  await using server = await openServer({ status, body });
  await expect(server.control.claim("t", { claimId: "clm_1" })).rejects.toMatchObject({ code });
});

test("a redirect is not followed: the token goes nowhere else", async () => {
  await using server = await openServer({
    status: 307,
    body: "",
    headers: { location: "http://127.0.0.1:1/" },
  });
  await expect(server.control.claim("t", { claimId: "clm_1" })).rejects.toMatchObject({
    code: "control_unreachable",
  });
  expect(server.heard).toHaveLength(1);
});

test("nobody there is busy, not a bug", async () => {
  const control = createControlClient({ url: "http://127.0.0.1:1", fleetSecret: "fleet" });
  await expect(control.claim("t", { claimId: "clm_1" })).rejects.toMatchObject({
    kind: "busy",
    code: "control_unreachable",
  });
});
