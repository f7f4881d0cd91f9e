/**
 * What "held" means, said once more and read off the rows alone: a lease that its agent holds is never lost (8), it is
 * looked at in time, whoever works on a stage names it in its beats, and nobody's report counts who does not hold it (12).
 */
import type { Job } from "#shared/domain/job.ts";
import type { Stage } from "#shared/domain/stage.ts";
import type { Checker } from "./checker.ts";
import type { Change } from "./store-engine.ts";

const LEASE_MS = 20_000;
const GUARD_MS = 3_000;
/** Clocks of two instances of the control plane differ by less. */
const MARGIN_MS = 5_000;
/** By then a beat has named what was granted. */
const NAMED_MS = 10_000;
/** A fault explains a beat that does not name a run for so long. */
const EXCUSED_MS = 60_000;

export interface HeldRun {
  readonly job: string;
  readonly stage: string;
  readonly epoch: number;
}

export interface HeldCheck {
  /** An agent's or a job's item as it was and as it is now stored. */
  readonly stored: (change: Change) => void;
  /** A failed or released try was accepted from its holder. */
  readonly reported: (run: HeldRun) => void;
}

/** An agent's last beat as stored. */
interface Beat {
  readonly expiresAt: number;
  readonly runs: readonly HeldRun[];
  readonly gone?: true;
}

interface Lease extends HeldRun {
  readonly agent: string;
  readonly startedAt: number;
  /** At some moment it could seem free to somebody. */
  lapsed: boolean;
  /** A beat did not name it though its agent has had it for long. */
  omitted: boolean;
}

export function createHeldCheck(parts: {
  readonly checker: Checker;
  readonly now: () => number;
  /** The last moment at which a fault was done to this agent, or to whatever takes its word. */
  readonly faultAt: (agentId: string) => number;
  /** How far clocks of the control plane are off. */
  readonly skewMs: number;
}): HeldCheck {
  const { checker, now } = parts;
  const marginMs = MARGIN_MS + parts.skewMs;
  const beats = new Map<string, Beat>();
  const leases = new Map<string, Lease>();
  /** How each lease ended that is over: without its agent's word, or by it. */
  const ends = new Map<string, "lost" | "told" | "heard">();

  const names = (beat: Beat, { job, stage, epoch }: HeldRun): boolean =>
    beat.runs.some((run) => run.job === job && run.stage === stage && run.epoch === epoch);

  /** A grant whose answer was lost is known to its agent late. */
  const isExcused = (agentId: string): boolean => now() - parts.faultAt(agentId) <= EXCUSED_MS;

  function noteLapse(lease: Lease): void {
    const beat = beats.get(lease.agent);
    // Its claim may have been on its way when it said goodbye.
    if (beat?.gone === true) lease.lapsed = true;
    if (now() + marginMs - lease.startedAt < LEASE_MS) return;
    if (beat === undefined || beat.expiresAt + GUARD_MS - marginMs <= now() || !names(beat, lease))
      lease.lapsed = true;
  }

  function storedAgent({ key, after }: Change): void {
    const id = key.pk.slice("AGENT#".length);
    const beat = after?.body as Beat | undefined;
    const mine = [...leases.values()].filter(({ agent }) => agent === id);
    // Before this beat, too, it may have lapsed.
    mine.forEach(noteLapse);
    if (beat === undefined) beats.delete(id);
    else beats.set(id, beat);
    for (const lease of mine) {
      noteLapse(lease);
      if (beat === undefined || beat.gone === true) lease.lapsed = true;
      else if (now() - lease.startedAt > NAMED_MS && !names(beat, lease) && !isExcused(id))
        lease.omitted = true;
    }
  }

  function storedStage(id: string, was: Stage, stage: Stage): void {
    const name = `${id} ${stage.kind}`;
    if (stage.status === "leased") {
      const waitMs = (stage.lookAt ?? 0) - now();
      if (waitMs > LEASE_MS + GUARD_MS + marginMs)
        checker.breach(8, `${name} is looked at only in ${Math.round(waitMs / 1000)} s`);
      const { agent = "", startedAt = 0, epoch, kind } = stage;
      const isNew = !leases.has(`${name} ${epoch}`);
      if (isNew && startedAt > now() + marginMs)
        checker.breach(8, `${name} was leased ${Math.round((startedAt - now()) / 1000)} s from now`);
      if (isNew)
        leases.set(`${name} ${epoch}`, {
          job: id,
          stage: kind,
          epoch,
          agent,
          startedAt,
          lapsed: false,
          omitted: false,
        });
    }
    if (was.status !== "leased" || (stage.status === "leased" && stage.epoch === was.epoch)) return;
    const lease = leases.get(`${name} ${was.epoch}`);
    leases.delete(`${name} ${was.epoch}`);
    if (lease === undefined) return;
    const isLost = (stage.tries?.lost ?? 0) > (was.tries?.lost ?? 0);
    ends.set(`${name} ${was.epoch}`, isLost ? "lost" : "told");
    if (isLost) {
      noteLapse(lease);
      if (!lease.lapsed) checker.breach(8, `${name} was lost by ${lease.agent}, which held it all the time`);
    } else if (stage.status === "done" && lease.omitted) {
      checker.breach(8, `${name} was done by ${lease.agent}, whose beats did not name it`);
    }
  }

  return {
    stored(change) {
      if (change.key.sk === "AGENT") return storedAgent(change);
      const old = change.before?.body as Job | undefined;
      const job = change.after?.body as Job | undefined;
      if (old === undefined || job === undefined) return;
      for (const [i, stage] of job.stages.entries()) {
        const was = old.stages[i];
        if (was !== undefined) storedStage(job.id, was, stage);
      }
    },
    reported({ job, stage, epoch }) {
      const name = `${job} ${stage} ${epoch}`;
      const end = ends.get(name);
      if (end !== "told")
        checker.breach(12, `the report of ${name} was accepted, whose lease ${TOLD[end ?? "open"]}`);
      ends.set(name, "heard");
    },
  };
}

const TOLD = { lost: "was lost", heard: "had ended by another report", open: "never ended" } as const;
