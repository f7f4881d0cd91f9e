/** What is done to the processes of a stack, and to whom. */
import { setTimeout as sleep } from "node:timers/promises";
import { agentOf, arm, CRASH_POINTS, disarm, takeCrash, type CrashPoint } from "./crash-points.ts";
import type { FailoverCause, Failovers } from "./failovers.ts";
import type { Process } from "./process-tree.ts";
import type { StackProcess } from "./stack-process.ts";
import type { StoredLeases } from "./stored-leases.ts";
import type { Stage } from "#shared/domain/stage.ts";

type Role = "control" | "agent" | "worker" | "spare" | "decoder";

export interface FaultParts {
  readonly data: string;
  readonly stack: StackProcess;
  readonly leases: StoredLeases;
  readonly failovers: Failovers;
  readonly random: () => number;
}

/** How often each comes, of a hundred. */
const KILLS: readonly (readonly [Role | "crash-point", number])[] = [
  ["agent", 32],
  ["worker", 24],
  ["spare", 10],
  ["decoder", 10],
  ["control", 4],
  ["crash-point", 20],
];
const STOPS: readonly (readonly [Role, number])[] = [
  ["agent", 72],
  ["worker", 22],
  ["control", 6],
];
/** Past the lease of 20 s and its guard of 3 s. */
const STOP_MS_MIN = 25_000;
const STOP_MS_MAX = 40_000;
const STOP_LOOK_MS = 500;
const POINT_MS_MAX = 10_000;
const POINT_LOOK_MS = 25;
/** Three workers killed over one stage are poison by the rules, and ten lost agents an end too: no stage is brought there. */
const CRASHED_MAX = 1;
const LOST_MAX = 6;

/** Kills one process, now or at a named point. @returns what it was; undefined where nobody of that kind was there. */
export async function killSomebody(parts: FaultParts): Promise<string | undefined> {
  const role = drawn(KILLS, parts.random);
  if (role === "crash-point") return crashAt(parts, oneOf(CRASH_POINTS, parts.random) ?? "registered");
  const victim = oneOf(inRole(parts.stack.tree(), role), parts.random);
  if (victim === undefined) return undefined;
  const held = await heldBy(parts, role, victim);
  if (held.some(({ stage }) => isWorn(stage, role))) return undefined;
  const at = Date.now();
  if (!signal(victim.pid, "SIGKILL")) return undefined;
  watch(parts, held, at, causeOf(parts.data, role, victim.pid));
  return `kill -9 of ${role} ${victim.pid}${held.length > 0 ? `, which held ${held.length}` : ""}`;
}

/** Stops one process past its lease and lets it go on. */
export async function stopSomebody(parts: FaultParts): Promise<string | undefined> {
  const role = drawn(STOPS, parts.random);
  const victim = oneOf(inRole(parts.stack.tree(), role), parts.random);
  if (victim === undefined) return undefined;
  const held = await heldBy(parts, role, victim);
  if (held.some(({ stage }) => isWorn(stage, role))) return undefined;
  const at = Date.now();
  if (!signal(victim.pid, "SIGSTOP")) return undefined;
  if (role === "agent") watch(parts, held, at, "agent_stopped");
  const until = at + STOP_MS_MIN + parts.random() * (STOP_MS_MAX - STOP_MS_MIN);
  // Somebody may kill it meanwhile.
  while (Date.now() < until && parts.stack.tree().some(({ pid }) => pid === victim.pid))
    await sleep(STOP_LOOK_MS);
  signal(victim.pid, "SIGCONT");
  if (role === "control") parts.failovers.outage(at, Date.now());
  return `${role} ${victim.pid} stood still for ${Math.round((Date.now() - at) / 1_000)} s${held.length > 0 ? `, and held ${held.length}` : ""}`;
}

async function crashAt(parts: FaultParts, point: CrashPoint): Promise<string | undefined> {
  const { data, failovers } = parts;
  const before = point.startsWith("control-") ? await heldBy(parts, "control", undefined) : [];
  arm(data, point);
  const until = performance.now() + POINT_MS_MAX;
  for (;;) {
    const crash = takeCrash(data, point);
    if (crash !== undefined) {
      if (crash.held !== undefined) failovers.watch(crash.held, crash.at, causeOf(data, "agent", crash.pid));
      // What was leased while the point waited is seen in the store, unless it was taken over already.
      const now = point.startsWith("control-")
        ? await heldBy(parts, "control", undefined).catch(() => [])
        : [];
      const still = new Set(now.map(({ job, stage }) => `${job} ${stage.kind} ${stage.epoch}`));
      const lost = before.filter(({ job, stage }) => still.has(`${job} ${stage.kind} ${stage.epoch}`));
      watch(parts, lost, crash.at, "control_killed");
      return `crash point ${point}`;
    }
    if (performance.now() > until && disarm(data, point)) return undefined;
    // Whoever took it was killed by another hand before it had written so, or another wait for this point was answered.
    if (performance.now() > until + POINT_MS_MAX) return undefined;
    await sleep(POINT_LOOK_MS);
  }
}

interface Held {
  readonly job: string;
  readonly stage: Stage;
}

/** What the victim's agent holds; the control plane takes all agents with it. */
async function heldBy(
  { data, leases }: FaultParts,
  role: Role,
  victim: Process | undefined,
): Promise<Held[]> {
  if (role === "spare" || role === "decoder") return [];
  const pid = role === "worker" ? victim?.parent : victim?.pid;
  const agent = role === "control" || pid === undefined ? undefined : agentOf(data, pid)?.id;
  if (role !== "control" && agent === undefined) return [];
  const jobs = await leases.openJobs();
  return jobs.flatMap((job) =>
    job.stages
      .filter((stage) => stage.status === "leased" && (agent === undefined || stage.agent === agent))
      .map((stage) => ({ job: job.id, stage })),
  );
}

function watch({ failovers }: FaultParts, held: readonly Held[], at: number, cause: FailoverCause): void {
  for (const { job, stage } of held)
    failovers.watch({ job, stage: stage.kind, epoch: stage.epoch }, at, cause);
}

function isWorn({ tries }: Stage, role: Role): boolean {
  if (role === "worker") return (tries?.crashed ?? 0) >= CRASHED_MAX;
  return (tries?.lost ?? 0) >= LOST_MAX;
}

function causeOf(data: string, role: Role, pid: number): FailoverCause {
  if (role === "worker") return "worker_killed";
  if (role === "control") return "control_killed";
  return agentOf(data, pid)?.announced === true ? "agent_killed" : "agent_vanished";
}

function inRole(tree: readonly Process[], role: Role): Process[] {
  const [control, ...below] = tree;
  if (control === undefined) return [];
  const agents = below.filter(({ name }) => name.endsWith("chaos-agent.ts"));
  // The older of an agent's workers is at work, the younger waits to replace it.
  const workers = agents.map(({ pid }) =>
    below.filter(({ parent, name }) => parent === pid && name.endsWith("worker.ts")),
  );
  switch (role) {
    case "control":
      return [control];
    case "agent":
      return agents;
    case "worker":
      return workers.flatMap(([first]) => first ?? []);
    case "spare":
      return workers.flatMap(([, ...rest]) => rest);
    case "decoder":
      return below.filter(({ name }) => name.endsWith("decoder.ts"));
  }
}

/** @returns false when the process is gone. */
function signal(pid: number, name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

function oneOf<T>(all: readonly T[], random: () => number): T | undefined {
  return all[Math.floor(random() * all.length)];
}

function drawn<T>(weighted: readonly (readonly [T, number])[], random: () => number): T {
  let left = random() * weighted.reduce((sum, [, weight]) => sum + weight, 0);
  const found = weighted.find(([, weight]) => (left -= weight) < 0) ?? weighted[0];
  if (found === undefined) throw new Error("there is nothing to draw from");
  return found[0];
}
