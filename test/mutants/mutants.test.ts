import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { expect, test } from "vitest";
import { hunt } from "./hunt.ts";
import { mutate } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";

test.each(MUTANTS)("the bug can still be planted: $name", async (mutant) => {
  const source = await readFile(new URL(`../../${mutant.file}`, import.meta.url), "utf8");
  const mutated = mutate(source, mutant);
  expect(mutated).not.toBe(source);
  expect(() => stripTypeScriptTypes(mutated)).not.toThrow();
});

test("there are enough bugs, each under a name of its own", () => {
  expect(MUTANTS.length).toBeGreaterThanOrEqual(40);
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
});

test("a planted bug is noticed, and the source as it is is not", async () => {
  const ask = { seeds: 3, jobs: 15 };
  for (const name of ["claim does not raise the epoch", "the bound never comes back"]) {
    const mutant = MUTANTS.find((each) => each.name === name);
    expect(mutant).toBeDefined();
    if (mutant !== undefined) expect((await hunt(mutant, ask)).seed, name).toBeDefined();
  }
  for (const by of ["jobs", "books"] as const) expect(await hunt({ by }, ask)).not.toHaveProperty("seed");
});
