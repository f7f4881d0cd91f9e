import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { expect, test } from "vitest";
import { run, START } from "./command.ts";
import { pageJourney } from "../browser/page-journey.ts";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { painted } from "../functions/intake/bad-input.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/portrait.jpg", import.meta.url));
const CHROMIUM = "/usr/bin/chromium";

/** `npm start` as a person runs it, on a free port and a data folder of its own. */
async function start(data: string, ...args: string[]) {
  const command = run(START, ["--port", "0", "--data", data, "--models", "none", ...args]);
  const out = await command.printed(/PhotoKeep is at (\S+)/);
  const url = /PhotoKeep is at (\S+)/.exec(out)?.[1] ?? "";
  return { command, url, [Symbol.asyncDispose]: () => command[Symbol.asyncDispose]() };
}

async function submit(url: string, bytes: Buffer, scale: number): Promise<string> {
  const created = await fetch(new URL("/v1/restorations", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      operations: { upscale: scale },
      input: { file: { content_type: "image/png", content_length: bytes.length } },
    }),
  });
  const restoration = (await created.json()) as Restoration;
  const slot = restoration.upload;
  if (slot === null) throw new Error(JSON.stringify(restoration));
  const stored = await fetch(slot.url, { method: slot.method, headers: slot.headers, body: bytes });
  expect(stored.status).toBe(200);
  return restoration.id;
}

const get = async (url: string, id: string): Promise<Restoration> =>
  (await (await fetch(new URL(`/v1/restorations/${id}`, url))).json()) as Restoration;

/** Reads until it looks as wanted; the test's own time limit bounds it. */
async function until(
  url: string,
  id: string,
  wanted: (restoration: Restoration) => boolean,
): Promise<Restoration> {
  for (;;) {
    const restoration = await get(url, id);
    if (wanted(restoration)) return restoration;
    await sleep(50);
  }
}

const running = (kind: string) => (restoration: Restoration) =>
  restoration.stages.some((stage) => stage.kind === kind && stage.status === "running");

test("whatever was accepted goes on after kill -9 of the whole process tree", async () => {
  await using folder = await temporaryFolder();
  const photo = await painted(200, 160).png().toBuffer();
  const ids: string[] = [];
  {
    await using stack = await start(folder.path);
    for (let n = 0; n < 3; n++) ids.push(await submit(stack.url, photo, 2));
    await until(stack.url, ids[0] ?? "", running("upscale"));
    // Leaving the block kills the group with SIGKILL.
  }
  await using again = await start(folder.path);
  for (const id of ids) {
    const done = await until(
      again.url,
      id,
      (each) => !["queued", "processing", "awaiting_upload"].includes(each.status),
    );
    expect(done).toMatchObject({ status: "succeeded", output: { width: 400, height: 320 } });
    const bytes = await (await fetch(done.output?.url ?? "")).arrayBuffer();
    expect(bytes.byteLength).toBe(done.output?.bytes);
  }
});

test("a cancel ends the job at once and frees its agent for the next one", async () => {
  await using folder = await temporaryFolder();
  await using stack = await start(folder.path);
  const long = await submit(stack.url, await painted(900, 900).png().toBuffer(), 4);
  await until(stack.url, long, running("upscale"));
  const canceled = await fetch(new URL(`/v1/restorations/${long}/cancel`, stack.url), { method: "POST" });
  expect(((await canceled.json()) as Restoration).status).toBe("canceled");
  // The long one would take minutes: that this one finishes within the test's time shows that the agent has dropped it.
  const next = await submit(stack.url, await painted(24, 24).png().toBuffer(), 2);
  await until(stack.url, next, (each) => each.status === "succeeded");
  expect((await get(stack.url, long)).status).toBe("canceled");
});

test("a port in use and a data folder in use are one sentence each, with what to do", async () => {
  await using folder = await temporaryFolder();
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  {
    await using command = run(START, [
      "--port",
      String(port),
      "--data",
      join(folder.path, "one"),
      "--models",
      "none",
    ]);
    const { code, err } = await command.ended;
    expect(err).toBe(
      `Port ${port} is in use; choose another with --port, or 0 for any free one. [port_busy]\n`,
    );
    expect(code).toBe(1);
  }
  taken.close();
  await using stack = await start(join(folder.path, "two"));
  await using second = run(START, ["--port", "0", "--data", join(folder.path, "two"), "--models", "none"]);
  const { code, err } = await second.ended;
  expect(err).toMatch(/^Another PhotoKeep is using .* \[data_busy\]\n$/);
  expect(code).toBe(1);
  expect((await fetch(new URL("/health", stack.url))).status).toBe(200);
});

test("a file that only bears a model's name is never taken for it, and restorations go on", async () => {
  await using folder = await temporaryFolder();
  const wrong = join(folder.path, "realesr-general-x4v3.onnx");
  await writeFile(wrong, await readFile(EXAMPLE));
  await using command = run(START, ["--port", "0", "--data", folder.path, "--models", folder.path]);
  const out = await command.printed(/PhotoKeep is at (\S+)/);
  expect(out).not.toContain("took over");
  const url = /PhotoKeep is at (\S+)/.exec(out)?.[1] ?? "";
  const done = await until(
    url,
    await submit(url, await painted(24, 24).png().toBuffer(), 2),
    (each) => each.status === "succeeded",
  );
  expect(done.stages.find((stage) => stage.kind === "upscale")?.status).toBe("done");
});

test("Ctrl-C ends the stack cleanly", async () => {
  await using folder = await temporaryFolder();
  await using stack = await start(folder.path);
  await stack.command.printed("The agents are ready");
  stack.command.kill("SIGINT");
  expect(await stack.command.ended).toMatchObject({ code: 0, err: "" });
});

test.runIf(!existsSync(CHROMIUM))(
  `SKIPPED: the page is not tried on the real stack, as there is no browser at ${CHROMIUM}`,
  () => {
    expect(existsSync(CHROMIUM)).toBe(false);
  },
);

test.skipIf(!existsSync(CHROMIUM))(
  "the page restores a real photograph, from the file dialog to the download",
  { timeout: 300_000 },
  async () => {
    await using folder = await temporaryFolder();
    await using stack = await start(folder.path);
    const photo = join(folder.path, "portrait.png");
    await writeFile(photo, await painted(96, 64).png().toBuffer());
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    try {
      const page = await browser.newPage();
      const journey = await pageJourney(page, stack.url, photo);
      expect(journey.statuses.at(-1)).toMatch(/^Restored in .* · 192\s×\s128 · JPEG,\s/);
      expect((await readFile(journey.downloadPath)).byteLength).toBeGreaterThan(1_000);
      expect(journey.complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  },
);
