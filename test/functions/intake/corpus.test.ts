import { expect, test } from "vitest";
import { corpusClasses } from "../../corpus/corpus-classes.ts";
import { runCorpus } from "../../corpus/corpus-run.ts";
import { makeSeeds } from "../../corpus/seeds.ts";

const files = 300;

test(
  "three hundred hostile files of all classes each end in a picture without a trace, or in a refusal with a name",
  { timeout: 600_000 },
  async () => {
    const tallies = await runCorpus({ classes: corpusClasses, seeds: await makeSeeds(), seed: 7, files });
    expect(tallies.reduce((sum, tally) => sum + tally.files, 0)).toBe(files);
    expect(tallies.every((tally) => tally.files > 0)).toBe(true);
    expect(tallies.flatMap(({ untyped }) => untyped)).toEqual([]);
    expect(tallies.flatMap(({ unread }) => unread)).toEqual([]);
    expect(tallies.flatMap(({ leaks }) => leaks)).toEqual([]);
  },
);

test("the whole corpus is what the security of intake is held to: five thousand files of forty classes", () => {
  expect(corpusClasses.length).toBeGreaterThanOrEqual(40);
  expect(corpusClasses.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThanOrEqual(5_000);
  expect(new Set(corpusClasses.map(({ name }) => name)).size).toBe(corpusClasses.length);
});
