import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";
import { CATALOGUE, findModel } from "#shared/domain/catalogue.ts";
import { trimModels } from "#agent/models/disk-budget.ts";
import type { TrimReport } from "#agent/models/disk-budget.ts";
import { openModelStore } from "#agent/models/model-store.ts";
import { noteUse } from "#agent/models/model-use.ts";
import { preparedKey } from "#agent/models/prepared-key.ts";
import { readByteSize, trimLines } from "#agent/models/trim-report.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";

const KEEP_NONE = { keep: new Set<string>() };
const SIZE = 1_000;
const DAY_MS = 86_400_000;

function digestOf(id: string): string {
  const sha256 = findModel(id)?.sha256;
  if (sha256 === undefined) throw new Error(`${id} has a published digest`);
  return sha256;
}

/** Models of the catalogue by the way they come: the packages', two with an address, one only a person has. */
const NPM = digestOf("blazeface");
const [URL_A = "", URL_B = ""] = CATALOGUE.flatMap(({ source, sha256 }) =>
  source.kind === "url" && sha256 !== undefined ? sha256 : [],
);
const BY_HAND = digestOf("ffdnet-color");
/** Trusted because it was the first: no entry of the catalogue has this digest. */
const FIRST_SEEN = "f".repeat(64);

async function age(path: string, days: number): Promise<void> {
  const at = new Date(Date.now() - days * DAY_MS);
  await utimes(path, at, at);
}

async function putSource(dir: string, sha256: string, days: number): Promise<string> {
  const path = join(dir, "files", `${sha256}.onnx`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, randomBytes(SIZE));
  await age(path, days);
  return path;
}

async function putPrepared(dir: string, name: string, days: number): Promise<string> {
  const path = join(dir, "prepared", name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "m.onnx"), randomBytes(SIZE / 2));
  await writeFile(join(path, "m.bin"), randomBytes(SIZE / 2));
  await age(path, days);
  return path;
}

/** Kind and digest's beginning of what was removed, in order. */
function gone({ removed }: TrimReport): string[] {
  return removed.map(({ kind, name }) => `${kind} ${name.slice(0, 6)}`);
}

const source = (sha256: string): string => `source ${sha256.slice(0, 6)}`;
const form = (sha256: string): string => `prepared ${sha256.slice(0, 6)}`;

test("nothing is removed from a store that is within its budget, or that is not there", async () => {
  await using folder = await temporaryFolder();
  await putSource(folder.path, NPM, 100);
  const report = await trimModels(folder.path, { bytesMax: SIZE, ...KEEP_NONE });
  expect(report).toMatchObject({ bytesBefore: SIZE, bytesAfter: SIZE, isMet: true, removed: [], kept: [] });
  const nowhere = await trimModels(join(folder.path, "no"), { bytesMax: 0, ...KEEP_NONE });
  expect(nowhere).toMatchObject({ bytesBefore: 0, isMet: true });
});

test("orphaned forms go first, then forms, then files that can be had again, each by last use, until it is enough", async () => {
  await using folder = await temporaryFolder();
  const dir = folder.path;
  for (const [sha256, days] of [
    [NPM, 50],
    [URL_A, 90],
    [URL_B, 40],
  ] as const)
    await putSource(dir, sha256, days);
  await putPrepared(dir, `${URL_B}-ort1-x64`, 3);
  await putPrepared(dir, `${NPM}-ort1-x64`, 5);
  await putPrepared(dir, `${"a".repeat(64)}-ort1-x64`, 1);

  const ask = { ...KEEP_NONE, isDryRun: true };
  const all = await trimModels(dir, { bytesMax: 0, ...ask });
  // A model whose form was used is used: NPM (5 days) before URL_B (3 days), both after URL_A (90 days).
  const order = [form("a".repeat(64)), form(NPM), form(URL_B), source(URL_A), source(NPM), source(URL_B)];
  expect(gone(all)).toEqual(order);
  expect(all.removed.map(({ why }) => why)).toEqual([
    "its model is not here",
    ...Array.from({ length: 5 }, () => "not used for longest"),
  ]);
  expect(await readdir(join(dir, "files"))).toHaveLength(3);

  const some = await trimModels(dir, { bytesMax: 2_500, ...KEEP_NONE });
  expect(gone(some)).toEqual(order.slice(0, 4));
  expect(some).toMatchObject({ bytesBefore: 6_000, bytesAfter: 2_000, isMet: true, kept: [] });
  expect(await readdir(join(dir, "prepared"))).toEqual([]);
  expect((await readdir(join(dir, "files"))).toSorted()).toEqual([`${NPM}.onnx`, `${URL_B}.onnx`].toSorted());
  expect(await readdir(join(dir, "leaving"))).toEqual([]);
});

test("what a person brought, trusts, asks to keep or uses now stays, and stands in the way by name", async () => {
  await using folder = await temporaryFolder();
  const dir = folder.path;
  for (const sha256 of [BY_HAND, FIRST_SEEN, NPM, URL_A]) await putSource(dir, sha256, 100);
  await putPrepared(dir, `${NPM}-ort1-x64`, 100);
  await putPrepared(dir, ".preparing-1", 0);
  await writeFile(join(dir, "files", "notes.txt"), "somebody's");
  await noteUse(dir, URL_A);

  const report = await trimModels(dir, { bytesMax: 0, keep: new Set([NPM]) });
  expect(gone(report)).toEqual([]);
  expect(report.isMet).toBe(false);
  const reasons = new Map(report.kept.map(({ name, why }) => [name.slice(0, 20), why]));
  expect(reasons).toEqual(
    new Map([
      [BY_HAND.slice(0, 20), "only a person can bring it again"],
      [FIRST_SEEN.slice(0, 20), "not known by a published digest"],
      [NPM.slice(0, 20), "asked to be kept"],
      [URL_A.slice(0, 20), "used just now"],
      [".preparing-1", "being prepared, or not the store's"],
      ["notes.txt", "being prepared, or not the store's"],
    ]),
  );
  expect(trimLines(report).at(-1)).toMatch(/the budget cannot be met$/);
});

test("noting a use changes no time that says a file is unchanged, and saves the model from being the next", async () => {
  await using folder = await temporaryFolder();
  const store = openModelStore({ dir: folder.path });
  await store.install("blazeface");
  const graph = await store.prepare("blazeface");
  const { path } = await store.locate("blazeface");
  await age(dirname(graph), 10);
  await rm(join(folder.path, "used"), { recursive: true });
  const watched = [path, graph, join(dirname(graph), "manifest.json")];
  const times = async (): Promise<number[]> =>
    Promise.all(watched.map(async (name) => (await stat(name)).mtimeMs));
  const before = await times();

  await store.locate("blazeface");
  expect(await times()).toEqual(before);
  expect(await readdir(join(folder.path, "used"))).toEqual([NPM]);
  const report = await trimModels(folder.path, { bytesMax: 0, ...KEEP_NONE });
  expect(report.kept.map(({ name, why }) => [name, why])).toEqual([
    [`${NPM}.onnx`, "used just now"],
    [preparedKey(NPM), "used just now"],
  ]);
});

test("a store whose form and file were trimmed away can have both again", async () => {
  await using folder = await temporaryFolder();
  const store = openModelStore({ dir: folder.path });
  await store.install("blazeface");
  const graph = await store.prepare("blazeface");
  const { path } = await store.locate("blazeface");
  await using reader = await open(path, "r");
  const bytes = await readFile(path);
  const report = await trimModels(folder.path, { bytesMax: 0, ...KEEP_NONE, recentMs: -DAY_MS });
  expect(report).toMatchObject({ isMet: true, bytesAfter: 0 });
  expect(report.removed.map(({ id, name }) => [id, name])).toEqual([
    ["blazeface", basename(dirname(graph))],
    ["blazeface", basename(path)],
  ]);
  expect(await readdir(join(folder.path, "used"))).toEqual([]);
  // Whoever has it open reads on.
  expect((await reader.readFile()).equals(bytes)).toBe(true);
  expect(await store.available()).toEqual([]);
  await store.install("blazeface");
  expect(await store.prepare("blazeface")).toBe(graph);
  expect(await store.verify("blazeface")).toMatchObject({ prepared: true });
});

test("several processes may trim at once, and what an ended one left is removed", async () => {
  await using folder = await temporaryFolder();
  const dir = folder.path;
  await mkdir(join(dir, "leaving", "left"), { recursive: true });
  await writeFile(join(dir, "leaving", "left", "m.bin"), randomBytes(SIZE));
  const forms = Array.from({ length: 20 }, (_, index) => String(index).padStart(64, "0"));
  for (const [index, sha256] of forms.entries()) await putPrepared(dir, `${sha256}-ort1-x64`, index + 1);
  const reports = await Promise.all([1, 2, 3].map(() => trimModels(dir, { bytesMax: 0, ...KEEP_NONE })));
  expect(reports.every(({ isMet }) => isMet)).toBe(true);
  expect(reports.flatMap(gone).toSorted()).toHaveLength(forms.length);
  expect(await readdir(join(dir, "prepared"))).toEqual([]);
  expect(await readdir(join(dir, "leaving"))).toEqual([]);
});

test("sizes are read as people write them, and nothing else is", () => {
  const sizes = {
    "2GB": 2e9,
    "500 mb": 5e8,
    "1.5GiB": 1.5 * 2 ** 30,
    "0": 0,
    "4096": 4_096,
    "7k": undefined,
  };
  for (const [text, bytes] of Object.entries(sizes)) expect(readByteSize(text), text).toBe(bytes);
  for (const wrong of ["", "GB", "-1GB", "1e9", "2 GB extra", "1,5GB"])
    expect(readByteSize(wrong), wrong).toBeUndefined();
});
