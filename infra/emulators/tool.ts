/** Programs of the machine that emulators are installed and run with. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { Fault } from "#shared/domain/fault.ts";

const TOOLS = {
  npm: "npm, which comes with Node",
  java: "a Java runtime, 17 or newer",
  mvn: "Apache Maven",
  go: "Go, 1.25 or newer",
} as const;
export type Tool = keyof typeof TOOLS;

const RUN_MS = 15 * 60_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** The machine as an installation sees it. */
export interface Machine {
  /** As in `process.platform` and `process.arch`: `linux-x64`. */
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** @throws Fault missing `tool_missing`, naming the tool and what is left out for want of it. */
export async function demandTool(tool: Tool, lack: string, { env }: Machine): Promise<void> {
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const found = await Promise.all(folders.map((folder) => isExecutable(join(folder, tool))));
  if (!found.includes(true))
    throw new Fault("missing", "tool_missing", `${tool} is missing: install ${TOOLS[tool]}. ${lack}`);
}

/** Runs a tool to its end, a quarter of an hour at most. @throws Fault busy `tool_failed` with its last words. */
export async function runTool(
  ask: { readonly tool: Tool; readonly args: readonly string[]; readonly cwd: string; readonly lack: string },
  { env }: Machine,
  signal: AbortSignal,
): Promise<void> {
  const options = { env: { ...env }, cwd: ask.cwd, timeout: RUN_MS, maxBuffer: OUTPUT_BYTES_MAX, signal };
  try {
    await promisify(execFile)(ask.tool, ask.args, options);
  } catch (error) {
    signal.throwIfAborted();
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    const last = `${stdout}\n${stderr}`.trim().split("\n").slice(-3).join(" ").slice(-500);
    throw new Fault("busy", "tool_failed", `${ask.tool} failed: ${last}. ${ask.lack}`, { cause: error });
  }
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
