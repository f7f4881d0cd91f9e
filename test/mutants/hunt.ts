/** Hunts one mutant in a process of its own. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutant.ts";

export interface Hunt {
  /** The first seed that notices; undefined: the mutant lives. */
  readonly seed?: number;
  /** What the seed saw. */
  readonly what?: string;
  readonly seconds: number;
}

export interface HuntAsk {
  readonly from?: number;
  readonly seeds: number;
  /** Of each seed. */
  readonly jobs: number;
}

/** A seed that runs for longer has met a mutant that never comes to its end. */
const SEED_MS_MAX = 90_000;
const PATCH = fileURLToPath(new URL("patch.ts", import.meta.url));
const KILLER = fileURLToPath(new URL("killer.ts", import.meta.url));

/** @param mutant absent: the source as it is. @throws Error when the process dies of something else than a seed. */
export async function hunt(
  mutant: Pick<Mutant, "by"> & Partial<Pick<Mutant, "name">>,
  { from = 1, seeds, jobs }: HuntAsk,
): Promise<Hunt> {
  const startedAt = performance.now();
  const ask = JSON.stringify({ by: mutant.by, from: String(from), seeds: String(seeds), jobs: String(jobs) });
  const child = spawn(process.execPath, ["--import", PATCH, KILLER, ask], {
    env: { ...process.env, PHOTOKEEP_MUTANT: mutant.name ?? "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const complaints: string[] = [];
  child.stderr.on("data", (data: Buffer) => complaints.push(data.toString()));
  let next = from;
  let isStuck = false;
  let lastAt = performance.now();
  const guard = setInterval(() => {
    if (performance.now() - lastAt < SEED_MS_MAX) return;
    isStuck = true;
    child.kill("SIGKILL");
  }, 1_000);
  let killed: { seed: number; what: string } | undefined;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      lastAt = performance.now();
      const { seed, what } = JSON.parse(line) as { seed: number; what?: string };
      next = seed + 1;
      if (what !== undefined) killed = { seed, what };
    }
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once("exit", resolve));
  } finally {
    clearInterval(guard);
  }
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  if (isStuck) return { seed: next, what: "never ends", seconds };
  if (killed !== undefined) return { ...killed, seconds };
  if (child.exitCode === 0 && next === from + seeds) return { seconds };
  if (mutant.name === undefined || next === from + seeds)
    throw new Error(`The process died: ${complaints.join("").slice(0, 500)}`);
  return { seed: next, what: `the process died: ${complaints.join("").trim().slice(0, 200)}`, seconds };
}
