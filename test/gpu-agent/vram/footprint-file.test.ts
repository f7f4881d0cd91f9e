import { mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NO_FOOTPRINT, sessionBytesOf } from "#agent/vram/footprint.ts";
import { openFootprints, type Footprints } from "#agent/vram/footprint-file.ts";
import { createPoolWorld, stageOf } from "./pool-world.ts";

const DIGEST = "a".repeat(64);
const OTHER = "b".repeat(64);
let folder: string;
let path: string;
let problems: string[];
const reopen = (): Promise<Footprints> =>
  openFootprints({ path, onProblem: (problem) => problems.push(problem) });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "footprints-"));
  path = join(folder, "deep", "footprints.json");
  problems = [];
});
afterEach(() => rm(folder, { recursive: true }));

test("what was learnt survives a restart, and a model whose file changed starts anew", async () => {
  {
    await using footprints = await reopen();
    footprints.note(DIGEST, { what: "session", bytes: 500 });
    footprints.note(DIGEST, { what: "exhausted", tilePixels: 4_096 });
    footprints.note(DIGEST, { what: "peak", tilePixels: 1_024, bytes: 70 });
  }
  const again = await reopen();
  expect(again.of(DIGEST)).toEqual({
    session: [500],
    residue: [],
    peaks: [{ tilePixels: 1_024, bytes: [70] }],
    tilePixelsMax: 2_048,
  });
  expect(again.of(OTHER)).toEqual(NO_FOOTPRINT);
  expect(await readdir(join(folder, "deep"))).toEqual(["footprints.json"]);
  expect(problems).toEqual([]);
});

test("a file that was cut off, replaced by nonsense, by a link or by far too much is as good as none", async () => {
  const footprints = await reopen();
  footprints.note(DIGEST, { what: "session", bytes: 500 });
  await footprints.saved();
  const whole = await readFile(path, "utf8");
  for (const damaged of [whole.slice(0, -5), "", "[]", "null", '{"version":2,"models":{}}']) {
    await writeFile(path, damaged);
    expect((await reopen()).of(DIGEST)).toEqual(NO_FOOTPRINT);
  }
  await truncate(path, 5 * 2 ** 20);
  expect((await reopen()).of(DIGEST)).toEqual(NO_FOOTPRINT);
  await rm(path);
  await writeFile(join(folder, "elsewhere"), whole);
  await symlink(join(folder, "elsewhere"), path);
  expect((await reopen()).of(DIGEST)).toEqual(NO_FOOTPRINT);
  expect(problems).toHaveLength(7);
});

test("a damaged entry costs itself alone", async () => {
  const good = { session: [5], residue: [], peaks: [] };
  const models = {
    [DIGEST]: good,
    [OTHER]: { ...good, session: [-1] },
    "not a digest": good,
    ["c".repeat(64)]: { ...good, tilePixelsMax: "many" },
  };
  path = join(folder, "footprints.json");
  await writeFile(path, JSON.stringify({ version: 1, models }));
  const footprints = await reopen();
  expect(footprints.of(DIGEST)).toEqual(good);
  expect(footprints.of(OTHER)).toEqual(NO_FOOTPRINT);
  expect(problems).toHaveLength(3);
});

test("a file that cannot be written is told, and what was noted counts all the same", async () => {
  path = join(folder, "a-file", "footprints.json");
  await writeFile(join(folder, "a-file"), "");
  const footprints = await reopen();
  footprints.note(DIGEST, { what: "session", bytes: 500 });
  await footprints.saved();
  expect(sessionBytesOf(footprints.of(DIGEST), 100)).toBe(500);
  expect(problems).not.toEqual([]);
});

test("a pool learns that a model takes more than was declared, and makes more room for it the next time", async () => {
  await using footprints = await reopen();
  const digests: Readonly<Record<string, string>> = { small: OTHER, sly: DIGEST };
  const world = createPoolWorld({
    models: { small: 3, sly: 8 },
    bytesOf: (id) => sessionBytesOf(footprints.of(digests[id]!), 3),
    deviceBytes: 10,
    onEvent(event) {
      if (event.kind === "measured") footprints.note(digests[event.model]!, event);
    },
  });
  for (const model of ["sly", "small", "sly"]) {
    const use = world.use(stageOf(model), 10);
    await world.clock.advance(5_000);
    expect(await use).toBe(model);
    world.check();
  }
  expect(world.story).toContain("sly hot→draining");
  expect(world.story).toContain("small hot→draining");
  expect(footprints.of(DIGEST).session).toEqual([8, 8]);
});
