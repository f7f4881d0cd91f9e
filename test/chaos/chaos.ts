/**
 * `npm run chaos -- --jobs 20 --kills 20 [--seed N]`: kills random processes of a real local stack with SIGKILL at
 * random moments while jobs run; then every job must have succeeded, its result written once and readable.
 * The last line is one JSON object: jobs, kills, lost, doubled, seconds.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { processTree } from "./process-tree.ts";
import { seededRandom } from "./seeded-random.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";

const MAIN = fileURLToPath(new URL("../../infra/local/main.ts", import.meta.url));
const DEADLINE_MS = 20 * 60_000;
const PHOTO_PX = 48;

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "20" },
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    port: { type: "string", default: "8899" },
  },
});
const jobs = Number(values.jobs);
const kills = Number(values.kills);
const base = `http://127.0.0.1:${values.port}`;
const random = seededRandom(Number(values.seed));
const startedAt = performance.now();
const data = await mkdtemp(join(tmpdir(), "photokeep-chaos-"));

let stack: ChildProcess | undefined;
let restarts = 0;

function startStack(): void {
  stack = spawn(process.execPath, [MAIN, "--port", values.port, "--data", data], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  stack.once("exit", () => (stack = undefined));
}

/** A call that outlives any restart of the stack. */
async function call(path: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    if (performance.now() - startedAt > DEADLINE_MS)
      throw new Error(`no answer to ${path} before the deadline`);
    try {
      const response = await fetch(new URL(path, base), { ...init, signal: AbortSignal.timeout(10_000) });
      if (response.status < 500) return response;
      await response.arrayBuffer();
    } catch {
      // The stack is down for a moment.
    }
    await sleep(100);
  }
}

async function submit(n: number): Promise<string> {
  const noise = Buffer.from(
    Uint8Array.from(
      { length: PHOTO_PX * PHOTO_PX * 3 },
      (_, i) => 128 + 60 * Math.sin(i / (5 + n)) + 20 * (random() - 0.5),
    ),
  );
  const bytes = await sharp(noise, { raw: { width: PHOTO_PX, height: PHOTO_PX, channels: 3 } })
    .png()
    .toBuffer();
  const file = {
    content_type: "image/png",
    content_length: bytes.length,
    checksum_sha256: createHash("sha256").update(bytes).digest("hex"),
  };
  const created = await call("/v1/restorations", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": `chaos-${values.seed}-${n}` },
    body: JSON.stringify({ input: { file } }),
  });
  if (!created.ok) throw new Error(`create ${n}: ${created.status} ${await created.text()}`);
  const restoration = (await created.json()) as Restoration;
  const slot = restoration.upload;
  if (slot !== null) {
    const stored = await call(slot.url, { method: slot.method, headers: slot.headers, body: bytes });
    if (!stored.ok && stored.status !== 412)
      throw new Error(`upload ${n}: ${stored.status} ${await stored.text()}`);
  }
  return restoration.id;
}

/** Every result ever seen of a job: more than one means that it was accepted twice. */
const seen = new Map<string, Set<string>>();

async function look(id: string): Promise<Restoration> {
  const restoration = (await (await call(`/v1/restorations/${id}`)).json()) as Restoration;
  if (restoration.output !== null)
    seen.set(
      id,
      (seen.get(id) ?? new Set()).add(
        `${new URL(restoration.output.url).pathname} ${restoration.output.sha256}`,
      ),
    );
  return restoration;
}

async function killAtRandom(): Promise<void> {
  for (let n = 1; n <= kills; n++) {
    await sleep(200 + random() * 1_500);
    // It may have ended by itself: the process before it still held the folder for an instant.
    if (stack === undefined) startStack();
    const root = stack?.pid;
    if (root === undefined) throw new Error("the stack does not start");
    const tree = processTree(root);
    const victim = tree[Math.floor(random() * tree.length)];
    if (victim === undefined) throw new Error("the stack has no processes");
    process.stdout.write(`kill ${n} of ${kills}: ${victim.name} (${tree.length} processes)\n`);
    const exited = victim.pid === root && stack !== undefined ? once(stack, "exit") : undefined;
    process.kill(victim.pid, "SIGKILL");
    if (exited === undefined) continue;
    await exited;
    restarts += 1;
    startStack();
  }
}

try {
  startStack();
  await call("/health");
  const ids: string[] = [];
  const submitting = (async () => {
    for (let n = 0; n < jobs; n++) ids.push(await submit(n));
  })();
  await Promise.all([submitting, killAtRandom()]);
  if (stack === undefined) startStack();

  const open = new Set(ids);
  const ended = new Map<string, Restoration>();
  while (open.size > 0 && performance.now() - startedAt < DEADLINE_MS) {
    for (const id of open) {
      const restoration = await look(id);
      if (!["succeeded", "failed", "canceled", "expired"].includes(restoration.status)) continue;
      open.delete(id);
      ended.set(id, restoration);
      process.stdout.write(
        `${ended.size} of ${jobs} ended: ${id} ${restoration.status} ${restoration.error?.code ?? ""}\n`,
      );
    }
    await sleep(200);
  }

  let lost = open.size;
  for (const [id, restoration] of ended) {
    if (restoration.status !== "succeeded" || restoration.output === null) {
      lost += 1;
      continue;
    }
    const again = await look(id);
    const bytes = Buffer.from(await (await call(again.output?.url ?? "")).arrayBuffer());
    if (createHash("sha256").update(bytes).digest("hex") !== restoration.output.sha256) lost += 1;
  }
  const doubled = [...seen.values()].filter((results) => results.size > 1).length;
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  process.stdout.write(`${JSON.stringify({ jobs, kills, restarts, lost, doubled, seconds })}\n`);
} finally {
  stack?.kill("SIGTERM");
  if (stack !== undefined) await new Promise((resolve) => stack?.once("exit", resolve));
  await rm(data, { recursive: true, force: true });
}
