import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { execPath } from "node:process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openModelStore } from "#agent/models/model-store.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";

const CLI = resolve(import.meta.dirname, "../../../gpu-agent/models/cli.ts");

async function trim(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const run = promisify(execFile)(execPath, [CLI, "trim", ...args]);
  return run.then(
    (said) => ({ code: 0, ...said }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

test("the command tells what it would remove, and fails with the reasons where the budget cannot be met", async () => {
  await using folder = await temporaryFolder();
  const at = ["--models", folder.path];
  await openModelStore({ dir: folder.path }).install("blazeface");
  expect(await trim(...at, "--budget", "1GB", "--dry-run")).toMatchObject({ code: 0, stderr: "" });

  const tight = await trim(...at, "--budget", "1kB");
  expect(tight).toMatchObject({ code: 1, stderr: "" });
  expect(tight.stdout).toContain("kept blazeface (0.6 MB");
  expect(tight.stdout).toContain("used just now");
  const json = await trim(...at, "--budget", "1kB", "--json", "--dry-run", "blazeface");
  expect(JSON.parse(json.stdout)).toMatchObject({
    isMet: false,
    kept: [{ id: "blazeface", why: "asked to be kept" }],
  });

  for (const wrong of [[], ["--budget", "much"]]) {
    const { code, stderr } = await trim(...at, ...wrong);
    expect(code).toBe(2);
    expect(stderr).toContain("--budget 2GB");
  }
  const unknown = await trim(...at, "--budget", "1GB", "no-such-model");
  expect(unknown).toMatchObject({ code: 1 });
  expect(unknown.stderr).toContain("There is no model named no-such-model");
});
