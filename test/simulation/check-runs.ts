/** What workers do: nobody goes on with what is no longer its own, and nobody hangs unseen (1). */
import type { StandingAgent } from "./agent-place.ts";
import type { Checker } from "./checker.ts";
import type { SimulatedWorker } from "./simulated-worker.ts";

/** A worker that says nothing is killed after two minutes. */
const HUNG_MS_MAX = 150_000;
/** The same where supervisors stand still for up to two minutes: twice the longest pause that they have seen. */
const HUNG_AMID_PAUSES_MS_MAX = 270_000;
/** Until a beat has told the agent, and its worker has stopped between two tiles. */
const STRAY_MS_MAX = 40_000;

/** @returns what to call every few seconds. */
export function createRunsCheck(parts: {
  readonly checker: Checker;
  readonly now: () => number;
  readonly agents: () => readonly StandingAgent[];
  readonly troubleAt: () => number;
  /** The last moment at which a fault was done to the control plane. */
  readonly controlFaultAt: () => number;
  /** Whether agents stand still now and then. */
  readonly hasPauses: boolean;
}): () => void {
  const { checker, now } = parts;
  const hungMsMax = parts.hasPauses ? HUNG_AMID_PAUSES_MS_MAX : HUNG_MS_MAX;
  /** Since when each worker runs what is no longer its agent's. */
  const strays = new WeakMap<SimulatedWorker, { readonly lease: unknown; readonly since: number }>();

  function isOwn({ id }: StandingAgent, { lease }: SimulatedWorker): boolean {
    if (lease === undefined) return true;
    const stage = checker.jobs.get(lease.job)?.stages.find(({ kind }) => kind === lease.stage);
    return stage?.status === "leased" && stage.epoch === lease.epoch && stage.agent === id;
  }

  function checkStray(agent: StandingAgent, worker: SimulatedWorker): void {
    const { lease } = worker;
    if (isOwn(agent, worker)) return void strays.delete(worker);
    const known = strays.get(worker);
    if (known?.lease !== lease) return void strays.set(worker, { lease, since: now() });
    const { process } = agent;
    const excuse = Math.max(process.faultAt, process.cutOffUntil, parts.controlFaultAt(), parts.troubleAt());
    const since = Math.max(known?.since ?? 0, excuse);
    if (process.isPaused || now() - since <= STRAY_MS_MAX) return;
    checker.breach(
      1,
      `${process.name} goes on with ${lease?.job} ${lease?.stage}, for ${Math.round((now() - since) / 1000)} s not its own`,
    );
    strays.delete(worker);
  }

  function checkHung({ process }: StandingAgent, { hungAt }: SimulatedWorker): void {
    if (hungAt === undefined || process.isPaused || process.faultAt >= hungAt) return;
    if (now() - hungAt > hungMsMax)
      checker.breach(1, `a worker of ${process.name} hangs for ${Math.round((now() - hungAt) / 1000)} s`);
  }

  return () => {
    for (const agent of parts.agents())
      for (const worker of agent.workers) {
        checkStray(agent, worker);
        checkHung(agent, worker);
      }
  };
}
