/**
 * Named moments at which a process of the stack dies. Whoever runs the chaos arms one by making a file; the first agent
 * that comes by takes the file away, writes down what it was doing, and is killed, or kills the control plane it talks to.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const CRASH_POINTS = [
  /** The agent dies … */
  "registered",
  "claim-granted",
  "outputs-stored",
  "completed-unheard",
  "beat-unheard",
  "bell-before-delete",
  "bell-deleted",
  /** The control plane dies while the call is on its way. */
  "control-in-claim",
  "control-in-complete",
  "control-in-beat",
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** A lease as its agent was told of it. */
export interface HeldLease {
  readonly job: string;
  readonly stage: string;
  readonly epoch: number;
}

export interface Crash {
  readonly point: CrashPoint;
  /** Of the agent that came by. */
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** What it held at that moment, as far as the call tells. */
  readonly held?: HeldLease;
}

/** Where the two sides meet, in the data folder: files that are made, taken and read. */
function foldersOf(data: string) {
  const root = join(data, "chaos");
  return { armed: join(root, "armed"), fired: join(root, "fired"), agents: join(root, "agents") };
}

export function makeChaosFolders(data: string): void {
  for (const folder of Object.values(foldersOf(data))) mkdirSync(folder, { recursive: true });
}

export function arm(data: string, point: CrashPoint): void {
  writeFileSync(join(foldersOf(data).armed, point), "");
}

/** @returns false when somebody has taken it by now. */
export function disarm(data: string, point: CrashPoint): boolean {
  try {
    rmSync(join(foldersOf(data).armed, point));
    return true;
  } catch {
    return false;
  }
}

/** What has died at this point since it was asked last. */
export function takeCrash(data: string, point: CrashPoint): Crash | undefined {
  const { fired } = foldersOf(data);
  const name = readdirSync(fired).find((each) => each.startsWith(`${point}.`) && each.endsWith(".json"));
  if (name === undefined) return undefined;
  const crash = JSON.parse(readFileSync(join(fired, name), "utf8")) as Crash;
  rmSync(join(fired, name));
  return crash;
}

/**
 * For the agent: dies here if the point is armed. @param victim whose death it is; the agent's own unless told.
 * @returns whether the point was armed, where the agent itself lives on.
 */
export function passPoint(data: string, crash: Crash, victim = process.pid): boolean {
  const { armed, fired } = foldersOf(data);
  const draft = join(fired, `${crash.point}.${crash.pid}.${crash.at}.draft`);
  try {
    renameSync(join(armed, crash.point), draft);
  } catch {
    return false;
  }
  writeFileSync(draft, JSON.stringify(crash));
  renameSync(draft, draft.replace(/draft$/, "json"));
  process.kill(victim, "SIGKILL");
  return true;
}

/** Who a process is to the control plane. */
export interface ChaosAgent {
  readonly id: string;
  /** Whether its machine tells the control plane of its death at once. */
  readonly announced: boolean;
}

/** Written by the agent whenever it registers. */
export function noteAgent(data: string, pid: number, agent: ChaosAgent): void {
  writeFileSync(join(foldersOf(data).agents, String(pid)), JSON.stringify(agent));
}

export function agentOf(data: string, pid: number): ChaosAgent | undefined {
  try {
    return JSON.parse(readFileSync(join(foldersOf(data).agents, String(pid)), "utf8")) as ChaosAgent;
  } catch {
    return undefined;
  }
}
