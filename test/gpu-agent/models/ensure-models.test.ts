import { expect, test } from "vitest";
import { DEFAULT_MODELS } from "#shared/domain/catalogue.ts";
import { ensureModels } from "#agent/models/ensure-models.ts";
import { openModelStore } from "#agent/models/model-store.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { faultCode } from "./fault-code.ts";

test("the first call makes a store usable without a network, and a second one has nothing to do", async () => {
  await using folder = await temporaryFolder();
  const lines: string[] = [];
  await ensureModels(openModelStore({ dir: folder.path }), { log: (line) => lines.push(line) });
  const here = await openModelStore({ dir: folder.path }).available();
  expect(here.map(({ id }) => id).toSorted()).toEqual(DEFAULT_MODELS.toSorted());
  for (const { id, prepared } of here) expect(prepared, id).toBe(true);
  expect(lines).toHaveLength(2 * DEFAULT_MODELS.length);

  lines.length = 0;
  await ensureModels(openModelStore({ dir: folder.path }), { log: (line) => lines.push(line) });
  expect(lines).toEqual([]);
});

test("a caller who gives up is obeyed before the next model", async () => {
  await using folder = await temporaryFolder();
  const controller = new AbortController();
  const store = openModelStore({ dir: folder.path });
  const log = (): void => controller.abort(Object.assign(new Error("enough"), { code: "given_up" }));
  expect(await faultCode(ensureModels(store, { log, signal: controller.signal }))).toBe("given_up");
  expect(await store.available()).toHaveLength(1);
});
