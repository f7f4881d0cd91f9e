import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createFileBlobs } from "#shared/adapters/file-blobs.ts";
import { openSqliteQueue } from "#shared/adapters/sqlite-queue.ts";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import type { ControlApi } from "#agent/control-client.ts";
import { createFakeControl, type FakeControl } from "./fake-control.ts";
import { noise, temporaryFolder, writeRaster } from "./image/picture-fixture.ts";
import { sampleLease } from "./sample-lease.ts";

/** The whole agent as a process of its own, against a control plane of a few lines. */
const MAIN = fileURLToPath(new URL("../../gpu-agent/main.ts", import.meta.url));
const MODELS = fileURLToPath(new URL("../../.photokeep/models", import.meta.url));
const SECRET = "a-fleet-secret-that-nobody-logs";

async function openAgent(variables: Readonly<Record<string, string>> = {}) {
  const folder = await temporaryFolder();
  const control = createFakeControl();
  const server = await serve(control);
  const queue = await openSqliteQueue({ path: folder.path("queue.db"), name: "doorbells", clock, entropy });
  const agent = fork(MAIN, [], {
    env: {
      PHOTOKEEP_CONTROL_URL: server.url,
      PHOTOKEEP_FLEET_SECRET: SECRET,
      PHOTOKEEP_DATA: folder.path(""),
      PHOTOKEEP_MODELS: MODELS,
      PHOTOKEEP_EXTRA_MODELS: "",
      PHOTOKEEP_LOG_LEVEL: "debug",
      ...variables,
    },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const output: string[] = [];
  for (const stream of [agent.stdout, agent.stderr])
    stream?.on("data", (chunk) => output.push(String(chunk)));
  const blobs = await createFileBlobs({ root: folder.path("blobs"), entropy, fsync: false });
  return {
    agent,
    control,
    queue,
    blobs,
    folder,
    output,
    ready: async () => (await once(agent, "message"))[0] as unknown,
    async [Symbol.asyncDispose]() {
      if (isRunning(agent)) {
        agent.kill("SIGKILL");
        await once(agent, "exit");
      }
      await queue.close();
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function serve(control: FakeControl) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const call = request.url?.replace("/agents/", "") as keyof ControlApi;
      const body = JSON.parse(Buffer.concat(chunks).toString()) as never;
      const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
      const answer = call === "register" ? control.register(body) : control[call](token, body);
      void Promise.resolve(answer).then((json) => response.end(JSON.stringify(json ?? {})));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

test("an agent says that it is ready, runs what a doorbell names, and drains on SIGTERM without a trace", async () => {
  await using world = await openAgent();
  const { agent, control, queue, blobs, folder, output } = world;
  expect(await world.ready()).toEqual({ type: "ready", agent: "agt_1" });

  const shape = { width: 32, height: 32, channels: 3, bits: 8 } as const;
  const path = await writeRaster(folder.path("image.tif"), shape, noise(shape));
  const image = await blobs.upload("jobs/job_1/intake/image.tif", path, { contentType: "image/tiff" });
  control.leases.push(sampleLease({ image, original: image, hardDeadline: clock.now() + 60_000 }));
  await queue.send([{ body: JSON.stringify({ job: "job_1" }) }]);
  await expect.poll(() => control.completions, { timeout: 30_000, interval: 20 }).toHaveLength(1);
  expect(control.completions[0]).toMatchObject({ job: "job_1", stage: "analyze", epoch: 1 });

  agent.kill("SIGTERM");
  expect(await once(agent, "exit")).toEqual([0, null]);
  expect(control.goodbyes).toEqual(["token-1"]);
  expect(await readdir(folder.path("scratch"))).toEqual([]);
  expect(output.join("")).not.toContain(SECRET);
  expect(output.join("")).not.toContain("token-1");
});

test("an agent whose parent is gone ends by itself", async () => {
  await using world = await openAgent();
  await world.ready();
  world.agent.disconnect();
  expect(await once(world.agent, "exit")).toEqual([0, null]);
  expect(world.control.goodbyes).toHaveLength(1);
});

test("an agent drains and ends when its instance is about to be taken away", async () => {
  const metadata = createServer((request, response) =>
    response.end(
      request.method === "PUT"
        ? "token"
        : JSON.stringify({ action: "terminate", time: "2026-11-23T12:00:00Z" }),
    ),
  );
  await new Promise<void>((resolve) => metadata.listen(0, "127.0.0.1", resolve));
  const { port } = metadata.address() as AddressInfo;
  await using world = await openAgent({ PHOTOKEEP_METADATA_URL: `http://127.0.0.1:${port}` });
  expect(await once(world.agent, "exit")).toEqual([0, null]);
  expect(world.output.join("")).toMatch("spot interruption (terminate at");
  metadata.closeAllConnections();
  metadata.close();
});

test("an agent that is told to drain before it is ready ends as well", async () => {
  await using world = await openAgent();
  world.agent.disconnect();
  expect((await once(world.agent, "exit"))[0]).toBe(0);
});
