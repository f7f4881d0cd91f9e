/** Ready work and an idle agent that can do it meet within a minute (9), unless something is down. */
import type { Job } from "#shared/domain/job.ts";
import type { StandingAgent } from "./agent-place.ts";
import type { Checker } from "./checker.ts";

const CLAIMED_WITHIN_MS = 60_000;
/** An answer that was lost costs a time-out and another round. */
const CLAIMED_AFTER_FAULTS_MS = 240_000;
/** After so many losses only an agent that takes nothing else is asked, and after a failure another one, for so long. */
const CAUTION = 2;
const CAUTION_MS = 60_000;

type Stage = Job["stages"][number];

/** Whether an agent has a slot free for this stage, and nothing hinders it. */
export function hasRoomFor(agent: StandingAgent, stage: Stage, now: number): boolean {
  const { process, workers, can } = agent;
  if (
    agent.id === undefined ||
    agent.isDraining ||
    agent.isUnhealthy ||
    !process.isAlive ||
    process.isPaused ||
    process.cutOffUntil > now
  )
    return false;
  if (!can.stages.includes(stage.kind)) return false;
  if (stage.model !== undefined && !can.models.includes(stage.model)) return false;
  const busy = workers.filter(({ isBusy }) => isBusy).length;
  const isFresh = now < (stage.notBefore ?? stage.readyAt ?? 0) + CAUTION_MS;
  const lastFailedOn = Object.values(stage.failedOn ?? {}).map((agents) => agents.at(-1));
  if (isFresh && agent.id !== undefined && lastFailedOn.includes(agent.id)) return false;
  const isCautious = isFresh && (stage.tries?.lost ?? 0) >= CAUTION;
  return isCautious ? busy === 0 : busy < workers.length;
}

/** @returns what to call every few seconds. */
export function createWaitingCheck(parts: {
  readonly checker: Checker;
  readonly now: () => number;
  readonly agents: () => readonly StandingAgent[];
  /** The last moment at which a fault was done to anybody the wait may hang on. */
  readonly faultAt: () => number;
  readonly troubleAt: () => number;
}): () => void {
  const { checker, now } = parts;
  /** Since when each ready stage could have been claimed by somebody idle all the time. */
  const waits = new Map<
    string,
    { readonly epoch: number; readonly since: number; readonly agent: StandingAgent; readonly runs: number }
  >();
  return () => {
    const agents = parts.agents();
    for (const job of checker.open.values()) {
      // Nobody may begin it any more.
      if (job.status === "queued" && (job.startBy ?? Infinity) <= now()) continue;
      for (const stage of job.stages) {
        const name = `${job.id} ${stage.kind}`;
        const last = waits.get(name);
        if (stage.status !== "ready" || (stage.notBefore ?? 0) > now()) {
          if (last !== undefined) waits.delete(name);
          continue;
        }
        const goesOn =
          last !== undefined &&
          last.epoch === stage.epoch &&
          last.runs === runsOf(last.agent) &&
          hasRoomFor(last.agent, stage, now());
        if (!goesOn || parts.troubleAt() > last.since) {
          const agent = agents.find((each) => hasRoomFor(each, stage, now()));
          if (agent === undefined) waits.delete(name);
          else waits.set(name, { epoch: stage.epoch, since: now(), agent, runs: runsOf(agent) });
          continue;
        }
        const patience = parts.faultAt() >= last.since ? CLAIMED_AFTER_FAULTS_MS : CLAIMED_WITHIN_MS;
        if (now() - last.since <= patience) continue;
        checker.breach(
          9,
          `${name} was ready for ${Math.round((now() - last.since) / 1000)} s beside idle ${last.agent.process.name}`,
        );
        waits.delete(name);
      }
    }
  };
}

function runsOf({ workers }: StandingAgent): number {
  return workers.reduce((sum, { runs }) => sum + runs, 0);
}
