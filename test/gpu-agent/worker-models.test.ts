import { join } from "node:path";
import { expect, test } from "vitest";
import { Fault } from "#shared/domain/fault.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import type { UseEvent } from "#agent/worker/protocol.ts";
import { createModels } from "#agent/worker/models.ts";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { faultCode } from "./models/fault-code.ts";
import { ones, smallModel } from "./small-model.ts";

const never = new AbortController().signal;
/** A name of the catalogue; the file behind it is the test's. */
const MODEL = "dncnn25-gray";

async function openModels() {
  const folder = await temporaryFolder();
  const file = await smallModel(join(folder.path, "a.onnx"));
  const told: UseEvent[] = [];
  const read: string[] = [];
  const models = createModels({
    source: { ids: [MODEL, "cosine-denoise"], locate: async () => file },
    pages: { readIn: async (paths) => void read.push(...paths) },
    session: { threads: 1, provider: "cpu" },
    now: () => performance.now(),
    tell: (event) => void told.push(event),
  });
  return {
    models,
    told,
    read,
    file,
    grant: (use: number, tilePixels: number, isOnProcessor = false) =>
      models.granted({ use, tilePixels, isOnProcessor }),
    async [Symbol.asyncDispose]() {
      await models[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("a stage asks for its model, waits, runs it on tiles of the size it is granted, and gives it back", async () => {
  await using world = await openModels();
  const { models, told, grant } = world;
  const metered = models.meter();
  const asked = metered.use(MODEL, never);
  expect(told).toEqual([{ type: "take", use: 1, model: MODEL }]);
  const opened = await models.obey({ type: "open", model: MODEL });
  expect(opened.files).toEqual([world.file.path]);
  grant(1, 4_096);
  {
    await using use = await asked;
    expect(use.tilePixels).toBe(4_096);
    expect([...(await use.model.run({ input: ones(1) }))["output"]!]).toEqual([2]);
    expect(metered.spent.runMs).toBeGreaterThan(0);
  }
  expect(told.at(-1)).toMatchObject({ type: "returned", use: 1 });
  expect(await models.obey({ type: "release", model: MODEL })).toEqual({});
});

test("a run that lacked memory is said, and goes on as the supervisor answers, on the processor at last", async () => {
  await using world = await openModels();
  const { models, told, grant } = world;
  await models.obey({ type: "open", model: MODEL });
  const asked = models.meter().use(MODEL, never);
  grant(1, 4_096);
  await using use = await asked;
  const smaller = use.lackMemory(1_000, never);
  expect(told.at(-1)).toEqual({ type: "exhausted", use: 1, tilePixels: 1_000 });
  grant(1, 500);
  await smaller;
  expect(use.tilePixels).toBe(500);
  const slower = use.lackMemory(500, never);
  await models.obey({ type: "release", model: MODEL });
  grant(1, 500, true);
  await slower;
  expect([...(await use.model.run({ input: ones(1) }))["output"]!]).toEqual([2]);
  const last = use.lackMemory(500, never);
  models.denied(1, new Fault("busy", "memory_exhausted", "Nothing is left to try."));
  expect(await faultCode(last)).toBe("memory_exhausted");
});

test("a stage that is denied its model, or gives up, tells that it wants it no more", async () => {
  await using world = await openModels();
  const { models, told } = world;
  const denied = models.meter().use(MODEL, never);
  models.denied(1, new Fault("conflict", "model_invalid", "The model cannot be run."));
  expect(await faultCode(denied)).toBe("model_invalid");
  const stop = new AbortController();
  const given = models.meter().use(MODEL, stop.signal);
  stop.abort(new Error("the stage was dropped"));
  await expect(given).rejects.toThrow("the stage was dropped");
  expect(told.filter(({ type }) => type === "returned").map(({ use }) => use)).toEqual([1, 2]);
});

test("what is built in needs no grant; what is not here is refused", async () => {
  await using world = await openModels();
  const metered = world.models.meter();
  await using use = await metered.use("cosine-denoise", never);
  expect((use.model.entry satisfies ModelEntry).id).toBe("cosine-denoise");
  expect(await faultCode(metered.use("ffdnet-color", never))).toBe("model_missing");
  expect(world.told).toEqual([]);
});

test("warming reads the model's files", async () => {
  await using world = await openModels();
  expect(await world.models.obey({ type: "warm", model: MODEL })).toEqual({ files: [world.file.path] });
  expect(world.read).toEqual([world.file.path]);
});
