import { expect, test } from "vitest";
import {
  allowedBy,
  CATALOGUE,
  DEFAULT_MODELS,
  findBySha256,
  findModel,
  modelsFor,
} from "#shared/domain/catalogue.ts";
import { ModelId, ModelTask, Sha256 } from "#shared/domain/model.ts";
import { Preset } from "#shared/domain/options.ts";
import lock from "../../models.lock.json" with { type: "json" };

const rankings = ModelTask.options.flatMap((task) =>
  Preset.options.flatMap((preset) =>
    ([2, 4] as const).map((scale) => ({ task, preset, ids: modelsFor(task, { preset, scale }) })),
  ),
);

test("the catalogue knows many models, each under one well-formed id and one digest", () => {
  expect(CATALOGUE.length).toBeGreaterThanOrEqual(20);
  for (const { id } of CATALOGUE) expect(ModelId.parse(id)).toBe(id);
  expect(new Set(CATALOGUE.map(({ id }) => id)).size).toBe(CATALOGUE.length);
  const digests = CATALOGUE.flatMap(({ sha256 }) => sha256 ?? []);
  for (const digest of digests) expect(Sha256.parse(digest)).toBe(digest);
  expect(new Set(digests).size).toBe(digests.length);
});

test("whoever states a digest states the size, so that a folder can be searched without reading it", () => {
  for (const { id, sha256, bytes } of CATALOGUE)
    if (sha256 !== undefined) expect(bytes, id).toBeGreaterThan(0);
});

test("every file whose bytes were seen is in the lock file as the catalogue has it, and every npm model is", () => {
  const locked = Object.entries(lock.models);
  for (const [id, { sha256, bytes }] of locked) expect(findModel(id)).toMatchObject({ sha256, bytes });
  const converted = CATALOGUE.filter(({ source }) => source.kind === "npm").map(({ id }) => id);
  const withIntegrity = locked.filter(([, entry]) => "integrity" in entry).map(([id]) => id);
  expect(withIntegrity.toSorted()).toEqual(converted.toSorted());
  expect(converted.toSorted()).toEqual(DEFAULT_MODELS.toSorted());
});

test("models are fetched over https only", () => {
  for (const { id, source } of CATALOGUE) {
    if (source.kind === "url") expect(new URL(source.url).protocol, id).toBe("https:");
  }
});

test("a ranking names only models of its task, each once", () => {
  for (const { task, ids } of rankings) {
    for (const id of ids) expect(findModel(id), id).toMatchObject({ task });
    expect(new Set(ids).size).toBe(ids.length);
  }
});

test("a faithful restoration is never offered a model that may invent", () => {
  const faithful = rankings.filter(({ preset }) => preset === "faithful").flatMap(({ ids }) => ids);
  expect(faithful.length).toBeGreaterThan(0);
  for (const id of faithful) expect(findModel(id), id).toMatchObject({ generative: false });
});

test("every task has a model for some preset, and enlarging has one that needs no network for every preset", () => {
  for (const task of ModelTask.options)
    expect(modelsFor(task, { preset: "enhanced" }).length, task).toBeGreaterThan(0);
  for (const preset of Preset.options) {
    for (const scale of [2, 4]) expect(modelsFor("upscale", { preset, scale })).toContain("esrgan-thick");
  }
});

test("an enlargement is made by running a smaller one twice only where that was measured", () => {
  for (const preset of Preset.options) {
    for (const id of modelsFor("upscale", { preset, scale: 4 })) {
      const entry = findModel(id);
      expect(entry?.twice === true || (entry?.scale ?? 0) >= 4, id).toBe(true);
    }
  }
  expect(modelsFor("upscale", { preset: "faithful", scale: 4 })[0]).toBe("waifu2x-photo-noise1-x2");
  expect(modelsFor("upscale", { preset: "balanced", scale: 4 })).not.toContain("nomos-span-x2");
  expect(modelsFor("upscale", { preset: "faithful", scale: 2 })[0]).toBe("waifu2x-photo-noise1-x2");
});

test("a balanced restoration prefers the model for real photographs to the one from npm", () => {
  const ids = modelsFor("upscale", { preset: "balanced", scale: 4 });
  expect(ids.indexOf("realesr-general-x4v3")).toBe(0);
  expect(ids.at(-1)).toBe("esrgan-thick");
});

test("a tile has room for its context, on a grid that its limits allow", () => {
  for (const { id, tile, tensors } of CATALOGUE) {
    const side = tile.fixed ?? Math.floor(Math.sqrt(tile.pixelsMax) / tile.multiple) * tile.multiple;
    expect(side, id).toBeGreaterThan(2 * tile.context);
    expect(side % tile.multiple, id).toBe(0);
    expect(tile.margin ?? 0, id).toBeLessThanOrEqual(tile.context);
    const size = tensors.input.size;
    if (size !== undefined) expect(size.width * size.height, id).toBeLessThanOrEqual(tile.pixelsMax);
  }
});

test("a model may run only where its licence class is allowed", () => {
  const permissive = findModel("esrgan-thick");
  const restricted = findModel("codeformer");
  if (permissive === undefined || restricted === undefined) throw new Error("both are in the catalogue");
  expect(allowedBy(["commercial"], permissive)).toBe(true);
  expect(allowedBy(["commercial", "attribution"], restricted)).toBe(false);
  expect(allowedBy(["noncommercial"], restricted)).toBe(true);
  expect(allowedBy([], permissive)).toBe(false);
});

test("a model is found by its digest, and by nothing else", () => {
  for (const entry of CATALOGUE)
    if (entry.sha256 !== undefined) expect(findBySha256(entry.sha256)).toBe(entry);
  expect(findBySha256("0".repeat(64))).toBeUndefined();
  expect(findModel("no-such-model")).toBeUndefined();
});
