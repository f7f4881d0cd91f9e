import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

/** A process that was started and not yet stopped. */
const RunningServer = z.object({
  id: z.enum(["dynamodb", "sqs", "upload-events", "s3"]),
  /** Program and version, as people read it. */
  program: z.string(),
  url: z.string(),
  pid: z.int().min(2),
  /** As it was started: by it the process is known again. */
  command: z.array(z.string()).min(2).max(100),
  /** Milliseconds since the epoch. */
  startedAt: z.int(),
});
export type RunningServer = z.infer<typeof RunningServer>;
export type ServerId = RunningServer["id"];

const EmulatorState = z.object({
  servers: z.array(RunningServer).max(8),
  /** What a program needs to use them; absent while they are being started. */
  environment: z.record(z.string(), z.string()).optional(),
});
export type EmulatorState = z.infer<typeof EmulatorState>;

/** What is noted as running; nothing where there is no such note, or one of another version. */
export async function readState(folder: string): Promise<EmulatorState> {
  try {
    return EmulatorState.parse(JSON.parse(await readFile(fileIn(folder), "utf8")));
  } catch {
    return { servers: [] };
  }
}

/** Whole or not at all; in one step, so that a process just started is never forgotten. */
export function writeState(folder: string, state: EmulatorState): void {
  const file = fileIn(folder);
  const draft = `${file}.${process.pid}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(draft, file);
}

export async function removeState(folder: string): Promise<void> {
  await rm(fileIn(folder), { force: true });
}

function fileIn(folder: string): string {
  return join(folder, "running.json");
}
