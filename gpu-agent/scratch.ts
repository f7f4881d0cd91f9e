import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isAlive } from "./process-life.ts";

const NAME = /^agent-([0-9]{1,10})$/;

/**
 * Makes an empty scratch folder for this process, and removes those of agents that are no more.
 * @returns its path, to be removed at exit.
 */
export async function openScratch(root: string, pid: number): Promise<string> {
  await mkdir(root, { recursive: true });
  const own = join(root, `agent-${pid}`);
  await rm(own, { recursive: true, force: true });
  for (const name of await readdir(root)) {
    const other = Number(NAME.exec(name)?.[1]);
    if (Number.isInteger(other) && !isAlive(other))
      await rm(join(root, name), { recursive: true, force: true });
  }
  await mkdir(own);
  return own;
}
