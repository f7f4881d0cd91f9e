import { execFileSync } from "node:child_process";
import { statfs, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { platform } from "node:process";
import { expect, test } from "vitest";
import { toolRunner } from "#agent/machine-tool.ts";
import type { RunTool, ToolAnswer } from "#agent/machine-tool.ts";
import { createPageCache } from "#agent/vram/page-cache.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";

const { signal } = new AbortController();
const TMPFS = 0x01_02_19_94;
const BYTES = 3 * 2 ** 20 + 5;

function lacks(tool: string): string | undefined {
  try {
    execFileSync(tool, ["--version"], { stdio: "ignore" });
    return platform === "linux" ? undefined : "the page cache is only measured on Linux";
  } catch {
    return `${tool} is not installed on this machine`;
  }
}

const LACK = lacks("fincore") ?? lacks("dd");

/** A tool that always says the same, and what it was asked. */
function tool(answer: ToolAnswer): { run: RunTool; asked: string[][] } {
  const asked: string[][] = [];
  return {
    asked,
    run: async (name, args) => {
      asked.push([name, ...args]);
      return answer;
    },
  };
}

async function fileIn(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, Buffer.alloc(BYTES, 1));
  return path;
}

test("pages that were let go are gone (but on tmpfs), and reading in brings them back", async ({ skip }) => {
  if (LACK !== undefined) skip(LACK);
  await using folder = await temporaryFolder();
  const paths = [await fileIn(folder.path, "a"), await fileIn(folder.path, "-b")];
  const cache = createPageCache();
  expect(await cache.residentRatio(paths, signal)).toBe(1);

  expect(await cache.letGo(paths, signal)).toBe(true);
  const isTmpfs = (await statfs(folder.path)).type === TMPFS;
  expect(await cache.residentRatio(paths, signal)).toBe(isTmpfs ? 1 : 0);

  await cache.readIn(paths.slice(0, 1), signal);
  expect(await cache.residentRatio(paths, signal)).toBe(isTmpfs ? 1 : 0.5);
  await cache.readIn(paths, signal);
  expect(await cache.residentRatio(paths, signal)).toBe(1);
});

test("an empty file is resident, one that is gone makes the answer unknown", async ({ skip }) => {
  if (LACK !== undefined) skip(LACK);
  await using folder = await temporaryFolder();
  const [here, empty, gone] = [
    await fileIn(folder.path, "a"),
    join(folder.path, "e"),
    join(folder.path, "g"),
  ];
  await writeFile(empty, "");
  const cache = createPageCache();
  expect(await cache.residentRatio([empty], signal)).toBe(1);
  expect(await cache.residentRatio([here, empty], signal)).toBe(1);
  expect(await cache.residentRatio([here, gone], signal)).toBeUndefined();
  expect(await cache.residentRatio([], signal)).toBeUndefined();
  expect(await cache.letGo([here, gone], signal)).toBe(false);
  await expect(cache.readIn([gone], signal)).rejects.toThrow("ENOENT");
});

test("a tool that is not there is looked for once, and what it would say is unknown", async () => {
  await using folder = await temporaryFolder();
  const path = await fileIn(folder.path, "a");
  const real = toolRunner();
  const asked: string[] = [];
  const cache = createPageCache({
    run: (name, args, until) => {
      asked.push(name);
      return real(`no-such-tool-${name}`, args, until);
    },
  });
  for (const _ of [1, 2]) {
    expect(await cache.residentRatio([path], signal)).toBeUndefined();
    expect(await cache.letGo([path], signal)).toBe(false);
  }
  expect(asked).toEqual(["fincore", "dd"]);
});

test("a tool that speaks nonsense, fails or never ends leaves the answer unknown", async () => {
  await using folder = await temporaryFolder();
  const path = await fileIn(folder.path, "a");
  const row = { res: 4096, size: BYTES, file: path };
  const said = (out: unknown): ToolAnswer => ({
    kind: "ended",
    code: 0,
    out: typeof out === "string" ? out : JSON.stringify(out),
    err: "",
  });
  for (const answer of [
    said(""),
    said("4096 1 5"),
    said([]),
    said({ fincore: [] }),
    said({ fincore: [{ ...row, res: "many" }] }),
    said({ fincore: [{ ...row, res: -1 }] }),
    said({ fincore: [{ ...row, file: "/elsewhere" }] }),
    { ...said({ fincore: [row] }), code: 1 } as ToolAnswer,
    { kind: "overdue" } as const,
    { kind: "excessive" } as const,
  ]) {
    const cache = createPageCache(tool(answer));
    expect(await cache.residentRatio([path], signal), JSON.stringify(answer)).toBeUndefined();
  }
  const old = createPageCache(tool(said({ fincore: [{ ...row, res: "4096", size: "16384" }] })));
  expect(await old.residentRatio([path], signal)).toBe(0.25);
});

test("no path can become an option of a tool", async () => {
  await using folder = await temporaryFolder();
  const path = await fileIn(folder.path, "-o");
  const { run, asked } = tool({ kind: "ended", code: 0, out: "{}", err: "" });
  const cache = createPageCache({ run });
  await cache.residentRatio([relative(".", path)], signal);
  await cache.letGo([relative(".", path), "--help"], signal);
  expect(asked).toEqual([
    ["fincore", "--json", "--bytes", "--", path],
    ["dd", `if=${path}`, "iflag=nocache", "count=0"],
    ["dd", `if=${join(process.cwd(), "--help")}`, "iflag=nocache", "count=0"],
  ]);
});

test("whoever no longer waits is told so at once", async () => {
  await using folder = await temporaryFolder();
  const path = await fileIn(folder.path, "a");
  const over = AbortSignal.abort(new Error("no longer needed"));
  const cache = createPageCache();
  await expect(cache.readIn([path], over)).rejects.toThrow("no longer needed");
  await expect(cache.residentRatio([path], over)).rejects.toThrow("no longer needed");
  await expect(cache.letGo([path], over)).rejects.toThrow("no longer needed");
});
