import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createQuarantine, type QuarantineLimits } from "#functions/intake/decode.ts";
import { hugePng, painted } from "./bad-input.ts";
import { processTree } from "../../chaos/process-tree.ts";

const program = new URL("rogue-decoder.ts", import.meta.url);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quarantine-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** What becomes of an upload whose decoder does what the name says. */
async function outcome(
  act: string,
  options: { limits?: Partial<QuarantineLimits>; program?: URL; signal?: AbortSignal } = {},
): Promise<unknown> {
  await using quarantine = createQuarantine({ program, spare: 0, ...options });
  const outDir = await mkdtemp(join(folder, "out-"));
  const path = join(outDir, `${act}.png`);
  await writeFile(path, hugePng(4, 4));
  const ask = options.signal === undefined ? { path, outDir } : { path, outDir, signal: options.signal };
  const result = await quarantine.decode(ask).catch((error: unknown) => error);
  expect(await readdir(outDir)).toEqual([`${act}.png`]);
  return result;
}

const crashed = { kind: "input", code: "decoder_crashed" };
const timedOut = { kind: "input", code: "decoder_timeout" };

test("a decoder that dies takes nothing with it but its photograph", async () => {
  expect(await outcome("exits")).toMatchObject(crashed);
  expect(await outcome("segfaults")).toMatchObject(crashed);
});

test("a decoder that never answers, or spins, is killed when its time is up", async () => {
  const limits = { headerMs: 100, decodeMs: 100, decodeMsPerMegapixel: 1 };
  expect(await outcome("hangs", { limits })).toMatchObject(timedOut);
  expect(await outcome("spins", { limits })).toMatchObject(timedOut);
  expect(await outcome("hangs-after-the-header", { limits })).toMatchObject(timedOut);
});

test.skipIf(process.platform !== "linux")("a decoder cannot take more memory than it is given", async () => {
  expect(await outcome("eats-memory")).toMatchObject(crashed);
});

test("a decoder that was killed from outside, or cannot start, is no verdict on the photograph", async () => {
  const unavailable = { kind: "busy", code: "decoder_unavailable" };
  expect(await outcome("is-killed")).toMatchObject(unavailable);
  expect(await outcome("exits", { program: new URL("no-such-program.ts", import.meta.url) })).toMatchObject(
    unavailable,
  );
});

test("no word and no file of a decoder is taken on trust", async () => {
  for (const act of ["talks-nonsense", "writes-nothing", "writes-too-little", "links-elsewhere"]) {
    expect(await outcome(act)).toMatchObject(crashed);
  }
});

test("a decoder inherits nothing of the environment", async () => {
  const told = await outcome("tells-its-environment");
  const names = String((told as { details: unknown }).details).split(" ");
  const given = ["VIPS_BLOCK_UNTRUSTED", "MALLOC_ARENA_MAX", "UV_THREADPOOL_SIZE"];
  // What the shell and Node set themselves.
  const own = new Set(["PWD", "OLDPWD", "SHLVL", "_", "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE"]);
  expect(names).toEqual(expect.arrayContaining(given));
  expect(names.filter((name) => !given.includes(name) && !own.has(name))).toEqual([]);
});

test("an abort ends the decoder and rejects with its reason", async () => {
  const abort = new AbortController();
  const pending = outcome("hangs", { signal: abort.signal });
  const reason = new Error("the job was cancelled");
  abort.abort(reason);
  expect(await pending).toBe(reason);
});

test("an upload larger than the limit is refused before it is read", async () => {
  expect(await outcome("hangs", { limits: { bytesMax: 50 } })).toMatchObject({
    kind: "input",
    code: "file_too_large",
  });
});

test("a photograph too many is turned away while the decoders are busy", async () => {
  await using quarantine = createQuarantine({ program, spare: 0, limits: { decodersMax: 1, waitingMax: 1 } });
  const outDir = join(folder, "busy");
  await mkdir(outDir);
  const path = join(outDir, "hangs.png");
  await writeFile(path, hugePng(4, 4));
  const abort = new AbortController();
  const decode = () =>
    quarantine.decode({ path, outDir, signal: abort.signal }).catch((error: unknown) => error);
  const three = [decode(), decode(), decode()];
  const first = await Promise.race(three);
  expect(first).toMatchObject({ kind: "busy", code: "intake_busy" });
  abort.abort(new Error("enough"));
  expect((await Promise.all(three)).filter((error) => error === abort.signal.reason)).toHaveLength(2);
});

test.skipIf(process.platform !== "linux")(
  "a spare that was killed while it waited is passed over",
  async () => {
    await using quarantine = createQuarantine({ spare: 2 });
    const spares = processTree(process.pid).filter(({ name }) => name === "functions/intake/decoder.ts");
    expect(spares.length).toBeGreaterThanOrEqual(2);
    for (const { pid } of spares) process.kill(pid, "SIGKILL");
    while (processTree(process.pid).some(({ pid }) => spares.some((spare) => spare.pid === pid)))
      await setImmediate();
    const outDir = await mkdtemp(join(folder, "out-"));
    const path = join(outDir, "upload");
    await writeFile(path, await painted(8, 6).png().toBuffer());
    expect((await quarantine.decode({ path, outDir })).measures).toMatchObject({ width: 8, height: 6 });
  },
);
