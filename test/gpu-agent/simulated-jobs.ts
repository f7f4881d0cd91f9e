import type { JobAhead, Lease, StageAhead } from "#shared/domain/message.ts";
import { STAGE_KINDS } from "#shared/domain/stage.ts";
import { createFakeControl, type FakeControl } from "./fake-control.ts";
import { sampleLease } from "./sample-lease.ts";

/** A job of simulated models: the stages that use them, in their order. */
interface Job {
  readonly id: string;
  readonly stages: readonly StageAhead[];
  /** How many of its stages are done. */
  doneStages: number;
  tries: number;
  status: "ready" | "leased" | "done" | "failed";
}

export interface SimulatedJobs {
  readonly control: FakeControl;
  /** A job that uses these models one after the other. */
  add(id: string, models: readonly string[]): void;
  ended(): readonly Pick<Job, "id" | "status">[];
}

/** Of one job; more than the budgets of the real one, which tells failures apart. */
const TRIES_MAX = 8;
const AHEAD_MAX = 16;
const HARD_DEADLINE_MS = 60 * 60_000;

/** A control plane that leads jobs through their stages, one after the other, and tries again what failed. */
export function createSimulatedJobs(now: () => number): SimulatedJobs {
  /** In the order of their arrival. */
  const jobs = new Map<string, Job>();
  const control = createFakeControl();

  const restOf = ({ stages, doneStages }: Job): readonly StageAhead[] => stages.slice(doneStages);

  function tellAhead(): void {
    const waiting = [...jobs.values()].filter(({ status }) => status === "ready").slice(0, AHEAD_MAX);
    control.ahead = waiting.map((job): JobAhead => ({ job: job.id, stages: [...restOf(job)] }));
  }

  function leaseOf(job: Job, claimId: string): Lease {
    const [stage, ...ahead] = restOf(job);
    job.status = "leased";
    return sampleLease({
      ...stage,
      job: job.id,
      ahead,
      claimId,
      epoch: 1 + job.tries,
      hardDeadline: now() + HARD_DEADLINE_MS,
    });
  }

  Object.assign(control, {
    async claim(_token, { job: id, claimId }) {
      const job = id === undefined ? jobs.values().find(({ status }) => status === "ready") : jobs.get(id);
      if (job === undefined) return { verdict: id === undefined ? "wait" : "gone" };
      if (job.status === "leased") return { verdict: "wait" };
      if (job.status !== "ready") return { verdict: "gone" };
      const lease = leaseOf(job, claimId);
      tellAhead();
      return { verdict: "granted", lease };
    },
    async complete(_token, ask) {
      control.completions.push(ask);
      const job = jobs.get(ask.job)!;
      job.doneStages += 1;
      job.status = job.doneStages === job.stages.length ? "done" : "ready";
      const isNext = job.status === "ready" && ask.nextClaimId !== undefined;
      const next = isNext ? leaseOf(job, ask.nextClaimId!) : undefined;
      tellAhead();
      return { verdict: "accepted", ...(next === undefined ? {} : { next }) };
    },
    async fail(_token, ask) {
      control.failures.push(ask);
      const job = jobs.get(ask.job)!;
      job.tries += 1;
      job.status = job.tries === TRIES_MAX ? "failed" : "ready";
      tellAhead();
      return { verdict: "accepted" };
    },
  } satisfies Partial<FakeControl>);

  return {
    control,
    add(id, models) {
      const kinds = STAGE_KINDS.slice(0, models.length);
      const stages = kinds.map((stage, nth) => ({
        stage,
        // What is more than there are kinds is used by the last of them.
        models: models.slice(nth, nth === STAGE_KINDS.length - 1 ? models.length : nth + 1),
      }));
      jobs.set(id, { id, stages, doneStages: 0, tries: 0, status: "ready" });
      tellAhead();
    },
    ended: () => [...jobs.values()].filter(({ status }) => status === "done" || status === "failed"),
  };
}
