import { access, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Fault } from "#shared/domain/fault.ts";
import type { Blobs } from "#shared/ports.ts";
import type { StageRunner } from "#agent/stages/stage.ts";
import { failureOf } from "#agent/worker/failure.ts";
import { paint } from "./image/picture-fixture.ts";
import { openBench } from "./stage-fixture.ts";
import { sampleLease } from "./sample-lease.ts";

const shape = { width: 2, height: 2, channels: 3, bits: 8 } as const;

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: secret/path`), { code });
}

test.each([
  [systemError("ENOSPC"), "disk_full"],
  [new Fault("busy", "disk_full", "The disk is full."), "disk_full"],
  [systemError("EIO"), "transient_io"],
  [new Fault("missing", "blob_missing", "There is no such file."), "bug"],
  [new Fault("busy", "store_busy", "The store is busy."), "transient_io"],
  [new Fault("input", "blobs_denied", "The role lacks s3:GetObject."), "transient_io"],
  [new Fault("input", "region_missing", "Set AWS_REGION."), "transient_io"],
  [new Fault("busy", "memory_exhausted", "Too little memory."), "gpu_oom"],
  [new Fault("input", "memory_insufficient", "Too little memory."), "gpu_oom"],
  [new Fault("busy", "device_failed", "The device failed."), "gpu_fault"],
  [new Fault("conflict", "model_invalid", "It is another model."), "model_invalid"],
  [new Fault("conflict", "model_corrupt", "It is damaged."), "model_invalid"],
  [new Fault("conflict", "contract_mismatched", "It is another model."), "model_invalid"],
  [new Fault("conflict", "model_unsafe", "It reads files."), "model_invalid"],
  [new Fault("conflict", "model_unpreparable", "The runtime refuses it."), "model_invalid"],
  [new Fault("conflict", "digest_mismatched", "It holds other bytes."), "model_invalid"],
  [new Fault("missing", "model_missing", "It is not here."), "model_missing"],
  [new Fault("input", "raster_invalid", "It is no raster."), "bug"],
  [new TypeError("x is not a function"), "bug"],
  ["thrown text", "bug"],
])("%s is reported as %s", (error, failure) => {
  expect(failureOf(error).failure).toBe(failure);
});

test("only sentences that were meant to be read are passed on", () => {
  expect(failureOf(new Fault("conflict", "model_invalid", "It came out flat.")).message).toBe(
    "It came out flat.",
  );
  for (const error of [systemError("ENOSPC"), systemError("ENOENT"), new Error("at /home/me/secret")]) {
    expect(failureOf(error).message).not.toMatch(/secret/);
  }
  expect(failureOf(new Fault("input", "blobs_denied", "The role lacks secret")).message).not.toMatch(
    /secret/,
  );
  expect(failureOf(new Fault("busy", "disk_full", "x".repeat(900))).message).toHaveLength(500);
});

test("a run finds nothing of another one's, and leaves nothing but what its job may need again", async () => {
  await using bench = await openBench();
  await mkdir(join(bench.scratch, "killed"), { recursive: true });
  await writeFile(join(bench.scratch, "killed", "left-over"), "x");
  const seen: string[][] = [];
  const messy: StageRunner = async ({ files }) => {
    seen.push(await readdir(bench.scratch));
    await writeFile(files.path("more"), "x");
    throw systemError("ENOSPC");
  };
  expect(await bench.run(messy, {})).toMatchObject({ type: "failed", result: { failure: "disk_full" } });
  expect(seen).toEqual([[expect.stringMatching(/^[0-9a-f]{16}$/), "kept-job_1"]]);
  expect(await readdir(bench.scratch, { recursive: true })).toEqual(["kept-job_1"]);
});

test("what a stage stored or fetched is at hand for the next one of its job, and gone after its last or with another job", async () => {
  await using bench = await openBench();
  let downloads = 0;
  const counting: Blobs = {
    ...bench.blobs,
    download: (key, path) => {
      downloads += 1;
      return bench.blobs.download(key, path);
    },
  };
  const original = await bench.picture(
    "original",
    shape,
    paint(shape, () => 0.5),
  );
  const writer: StageRunner = async ({ files, lease }) => {
    await files.fetch(lease.original);
    const path = files.path("out.png");
    await writeFile(path, "restored");
    const image = await files.store("image", { path, contentType: "image/png", width: 1, height: 1 });
    return { outputs: { image }, warnings: [] };
  };
  const first = await bench.run(writer, { original }, { blobs: counting });
  const image = first.type === "done" ? first.result.outputs["image"] : undefined;
  expect(image).toBeDefined();
  const reader: StageRunner = async ({ files, lease }) => {
    expect(await readFile(await files.fetch(lease.image), "utf8")).toBe("restored");
    await files.fetch(lease.original);
    return { outputs: {}, warnings: [] };
  };
  const ask = { image: image!, original };
  expect(await bench.run(reader, ask, { blobs: counting })).toMatchObject({ type: "done" });
  expect(downloads).toBe(1);
  expect(await bench.run(reader, { ...ask, stage: "finish" }, { blobs: counting })).toMatchObject({
    type: "done",
  });
  expect([downloads, await readdir(bench.scratch)]).toEqual([1, []]);
  await bench.run(writer, { original }, { blobs: counting });
  await bench.run(async () => ({ outputs: {}, warnings: [] }), { job: "job_2" }, { blobs: counting });
  expect(await readdir(bench.scratch)).toEqual(["kept-job_2"]);
});

test("a blob is fetched once, and may be the image and the original at once", async () => {
  await using bench = await openBench();
  const image = await bench.picture(
    "image",
    shape,
    paint(shape, () => 0.5),
  );
  let downloads = 0;
  const counting = {
    ...bench.blobs,
    download: (key: string, path: string) => {
      downloads += 1;
      return bench.blobs.download(key, path);
    },
  };
  const reader: StageRunner = async ({ files, lease }) => {
    const [one, two] = await Promise.all([files.fetch(lease.image), files.fetch(lease.original)]);
    expect(one).toBe(two);
    await access(one);
    return { outputs: {}, warnings: [] };
  };
  expect(await bench.run(reader, { image, original: image }, { blobs: counting })).toMatchObject({
    type: "done",
  });
  expect(downloads).toBe(1);
});

test("two runs of one lease never write to the same key", async () => {
  await using bench = await openBench();
  const writer: StageRunner = async ({ files }) => {
    const path = files.path("out.png");
    await writeFile(path, String(Math.random()));
    const image = await files.store("image", { path, contentType: "image/png", width: 1, height: 1 });
    return { outputs: { image }, warnings: [] };
  };
  const first = await bench.run(writer, {});
  const second = await bench.run(writer, {});
  const keys = [first, second].map(
    (outcome) => outcome.type === "done" && outcome.result.outputs["image"]?.key,
  );
  expect(new Set(keys).size).toBe(2);
  for (const key of keys) expect(key).toMatch(/^jobs\/job_1\/analyze\/e1-[0-9a-f]{16}\.image\.png$/);
});

test("a blob that is missing, or not what the lease describes, does not come back: a bug", async () => {
  await using bench = await openBench();
  const fetcher: StageRunner = async ({ files, lease }) => {
    await files.fetch(lease.image);
    return { outputs: {}, warnings: [] };
  };
  expect(await bench.run(fetcher, {})).toMatchObject({ type: "failed", result: { failure: "bug" } });
  const image = await bench.picture(
    "image",
    shape,
    paint(shape, () => 0.5),
  );
  const other = { ...image, sha256: sampleLease().image.sha256 };
  expect(await bench.run(fetcher, { image: other })).toMatchObject({
    type: "failed",
    result: { failure: "bug" },
  });
});

test("warnings are cut to what the protocol carries", async () => {
  await using bench = await openBench();
  const talker: StageRunner = async () => ({
    outputs: {},
    warnings: Array.from({ length: 40 }, () => "x".repeat(999)),
  });
  const outcome = await bench.run(talker, {});
  if (outcome.type !== "done") throw new Error(outcome.type);
  expect(outcome.result.warnings.map(({ length }) => length)).toEqual(Array.from({ length: 10 }, () => 300));
});

test("a stage this agent never offered is a bug, not a crash", async () => {
  await using bench = await openBench();
  const never: StageRunner = () => Promise.reject(new Error("not reached"));
  expect(await bench.run(never, { stage: "colorize" })).toMatchObject({
    type: "failed",
    result: { failure: "bug" },
  });
});
