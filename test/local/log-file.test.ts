import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { openLogFile } from "#local/log-file.ts";

test("a log stays within twice its size, whatever is written and however often it is opened, and keeps the newest lines", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "x.log");
  const line = (n: number): string => `${String(n).padStart(5, "0")}\n`;
  for (let opened = 0; opened < 5; opened++) {
    const log = openLogFile(path, 600);
    for (let n = 0; n < 200; n++) log.write(line(opened * 200 + n));
    log.close();
  }
  const newest = await readFile(path, "utf8");
  const before = await readFile(`${path}.1`, "utf8");
  expect(newest.length + before.length).toBeLessThan(2 * 620);
  const lines = `${before}${newest}`.trimEnd().split("\n").map(Number);
  expect(lines.at(-1)).toBe(999);
  expect(lines).toEqual(Array.from({ length: lines.length }, (_, i) => 1000 - lines.length + i));
});
