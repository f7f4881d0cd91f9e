import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { run, RESTORE, type Ended } from "./command.ts";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { hugePng, painted } from "../functions/intake/bad-input.ts";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import type { Job } from "#shared/domain/job.ts";

/** The npm packages' models alone, as on a fresh clone; a data folder of the test's own. */
const own = (data: string): string[] => ["--models", "none", "--data", data];

async function restore(...args: string[]): Promise<Ended> {
  await using command = run(RESTORE, args);
  return await command.ended;
}

const small = (): Promise<Buffer> => painted(40, 24).png().toBuffer();
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function jobsOf(data: string): Promise<Job[]> {
  await using store = await openSqliteStore({
    path: join(data, "jobs.db"),
    clock: systemClock,
    entropy: systemEntropy,
  });
  const { rows } = await store.nominate("org", "ORG#org_local", { limit: 100 });
  return Promise.all(rows.map(async (key) => (await store.get(key))?.body as Job));
}

test("a photograph is restored: image, comparison and report lie beside it and agree", async () => {
  await using folder = await temporaryFolder();
  const photo = join(folder.path, "grandma.png");
  await writeFile(photo, await small());
  const { code, out } = await restore(photo, ...own(join(folder.path, "data")));
  expect(out).toMatch(/upscale\s+esrgan-thick: enlarged ×2/);
  expect(out).toMatch(/faces\s+skipped: no face was found/);
  expect(out).toMatch(/grandma\.restored\.png 80×48 in \d+ s/);
  expect(code).toBe(0);

  const image = await readFile(join(folder.path, "grandma.restored.png"));
  const report = JSON.parse(await readFile(join(folder.path, "grandma.report.json"), "utf8")) as {
    output: { sha256: string; bytes: number };
    stages: { kind: string; status: string; seconds: number | null; reason: string }[];
  };
  expect(report.output).toMatchObject({
    width: 80,
    height: 48,
    format: "png",
    bytes: image.length,
    sha256: sha256(image),
  });
  expect(report.stages.map((stage) => stage.kind)).toEqual([
    "analyze",
    "repair",
    "denoise",
    "colorize",
    "faces",
    "upscale",
    "finish",
  ]);
  expect(
    report.stages.filter((stage) => stage.status === "done").every((stage) => (stage.seconds ?? 0) > 0),
  ).toBe(true);
  expect(report.stages.every((stage) => stage.reason.length > 0)).toBe(true);
  const comparison = await sharp(join(folder.path, "grandma.before-after.jpg")).metadata();
  expect((comparison.width ?? 0) / (comparison.height ?? 1)).toBeGreaterThan(3);
});

test("the same command again takes the result it has; other options or --fresh restore again", async () => {
  await using folder = await temporaryFolder();
  const photo = join(folder.path, "a.png");
  const data = join(folder.path, "data");
  await writeFile(photo, await small());
  expect((await restore(photo, ...own(data))).out).not.toContain("restored before");
  expect((await restore(photo, ...own(data))).out).toContain("restored before");
  expect(await jobsOf(data)).toHaveLength(1);
  expect((await restore(photo, "--fresh", ...own(data))).out).not.toContain("restored before");
  expect((await restore(photo, "--format", "jpeg", "--skip", "tone", "--json", ...own(data))).out).toContain(
    '"format":"jpeg"',
  );
  expect(await jobsOf(data)).toHaveLength(3);
  expect((await sharp(join(folder.path, "a.restored.jpg")).metadata()).format).toBe("jpeg");
});

test("bad files are named with their reason and a stable code, and the others are restored all the same", async () => {
  await using folder = await temporaryFolder();
  const photos = join(folder.path, "photos");
  await mkdir(photos);
  const whole = await painted(64, 48).jpeg({ quality: 90 }).toBuffer();
  const files: Record<string, Buffer | string> = {
    "a-empty.jpg": "",
    "b-text.jpg": "Dear grandma, here is the picture.",
    "c-cut.jpg": whole.subarray(0, Math.floor(whole.length * 0.7)),
    "d-huge.png": hugePng(30_000, 30_000),
    "e-one.png": await painted(2, 2).extract({ left: 0, top: 0, width: 1, height: 1 }).png().toBuffer(),
    "f-good.png": await small(),
  };
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(photos, name), bytes);
  const out = join(folder.path, "out");
  const ended = await restore(
    photos,
    join(folder.path, "nowhere.jpg"),
    "--out",
    out,
    ...own(join(folder.path, "data")),
  );
  expect(ended.code).toBe(1);
  const said = (name: string): string =>
    ended.out.split("\n").find((line) => line.trimStart().startsWith(`${name}:`)) ?? "";
  expect(said("a-empty.jpg")).toMatch(/\[image_empty\]$/);
  expect(said("b-text.jpg")).toMatch(/\[image_unrecognized\]$/);
  expect(said("d-huge.png")).toMatch(/\[image_too_large\]$/);
  expect(said("nowhere.jpg")).toMatch(/\[file_unreadable\]$/);
  expect(ended.out).toContain("3 of 7 restored, 4 failed.");
  expect(ended.out).toMatch(/note: .*cut short/i);
  expect((await readdir(out)).filter((name) => name.endsWith(".png")).sort()).toEqual([
    "c-cut.restored.png",
    "e-one.restored.png",
    "f-good.restored.png",
  ]);
  expect(await sharp(join(out, "e-one.restored.png")).metadata()).toMatchObject({ width: 2, height: 2 });
  expect(`${ended.out}${ended.err}`).not.toMatch(/\n\s+at /);
});

test("a stopped restoration goes on from its last finished stage when the command is given again", async () => {
  await using folder = await temporaryFolder();
  const photo = join(folder.path, "slow.png");
  const data = join(folder.path, "data");
  await writeFile(photo, await painted(192, 192).png().toBuffer());
  {
    await using command = run(RESTORE, [photo, "--scale", "4", ...own(data)]);
    await command.printed(/✓ analyze/);
    command.kill("SIGINT");
    const { code, out } = await command.ended;
    expect(out).toContain("the same command continues from the last finished stage");
    expect(code).toBe(130);
  }
  const [stopped] = await jobsOf(data);
  expect(stopped?.stages.find((stage) => stage.kind === "analyze")).toMatchObject({
    status: "done",
    epoch: 1,
  });
  // Wherever the stop found the chain: the next stage was given back and waits, no agent holds it.
  const waiting = stopped?.stages.filter((stage) => stage.status === "ready") ?? [];
  expect(waiting.length).toBeGreaterThan(0);
  expect(stopped?.stages.map((stage) => stage.status)).not.toContain("leased");
  const { code } = await restore(photo, "--scale", "4", ...own(data));
  expect(code).toBe(0);
  const jobs = await jobsOf(data);
  expect(jobs).toHaveLength(1);
  expect(jobs[0]).toMatchObject({ id: stopped?.id, status: "succeeded" });
  expect(jobs[0]?.stages.find((stage) => stage.kind === "analyze")?.epoch).toBe(1);
  // A stop is no failure of the photograph.
  for (const stage of jobs[0]?.stages ?? []) expect(stage.tries ?? {}).not.toHaveProperty("crashed");
});

test("wrong usage is one sentence and exit code 2; --help explains everything", async () => {
  for (const wrong of [
    ["--scale", "3"],
    ["--preset", "best"],
    ["--only", "magic"],
    ["--only", "tone", "--skip", "tone"],
    ["--nonsense"],
    ["--format", "bmp"],
  ]) {
    const { code, err } = await restore(...wrong);
    expect(code, wrong.join(" ")).toBe(2);
    expect(err.trim().split("\n"), wrong.join(" ")).toHaveLength(1);
    expect(err).toContain("[usage_invalid]");
  }
  const { code, out } = await restore("--help");
  expect(code).toBe(0);
  for (const option of [
    "--scale",
    "--preset",
    "--only",
    "--skip",
    "--out",
    "--format",
    "--json",
    "--data",
    "--models",
  ])
    expect(out).toContain(option);
});

test.skipIf(process.getuid?.() === 0)("a folder that may not be read or written is said so", async () => {
  await using folder = await temporaryFolder();
  const shut = join(folder.path, "shut");
  await mkdir(shut);
  await chmod(shut, 0o000);
  const { code, out } = await restore(shut, ...own(join(folder.path, "data")));
  expect(code).toBe(1);
  expect(out).toMatch(/may not be read/);
});
