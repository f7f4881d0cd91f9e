import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelFile } from "#agent/worker/session.ts";

/** Other files behind names of the catalogue, as the worker of the benchmark is told of them: in its scratch folder. */
export type PoolStandIns = Readonly<Record<string, ModelFile>>;

const FILE = "stand-ins.json";

export async function writeStandIns(scratch: string, standIns: PoolStandIns): Promise<void> {
  await writeFile(join(scratch, FILE), JSON.stringify(standIns));
}

export async function readStandIns(scratch: string): Promise<PoolStandIns> {
  return JSON.parse(await readFile(join(scratch, FILE), "utf8")) as PoolStandIns;
}
