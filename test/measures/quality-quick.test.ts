import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("../bench/quality.ts", import.meta.url));
const run = promisify(execFile);

test("bench:quality --quick measures without models, ends with its figures, and goes on where it stopped", async () => {
  const cache = await mkdtemp(join(tmpdir(), "photokeep-quality-test-"));
  onTestFinished(() => rm(cache, { recursive: true, force: true }));
  const quick = async (): Promise<string[]> => {
    const args = [SCRIPT, "--quick", "--severity", "light", "--cache", cache];
    return (await run(process.execPath, args)).stdout.trim().split("\n");
  };
  const first = await quick();
  expect(first[0]).toBe("old photographs: 3 cases, 3 of them to do");
  const figures = JSON.parse(first.at(-1) ?? "") as { psnr_bicubic: number };
  expect(figures.psnr_bicubic).toBeGreaterThan(15);
  expect(figures.psnr_bicubic).toBeLessThan(30);
  const second = await quick();
  expect(second[0]).toBe("old photographs: 3 cases, 0 of them to do");
  expect(second.at(-1)).toBe(first.at(-1));
});
