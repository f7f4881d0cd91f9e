import { invariant } from "#shared/domain/fault.ts";
import type { Run } from "./action.ts";
import type { Demand, StageDemand } from "./demand.ts";

/** A job that is queued or running, by the names of its models. */
export interface ExpectedJob {
  readonly id: string;
  /** What remains and does not run yet, every stage after those it needs. */
  readonly stages: readonly ExpectedStage[];
}

export interface ExpectedStage {
  readonly id: string;
  readonly model: string;
  /** Memory its run takes beside the model's, by its tile size. */
  readonly activationBytes: number;
}

/** A stage that could be started now. */
export interface StageAsk extends Omit<ExpectedStage, "id"> {
  readonly job: string;
  readonly stage: string;
}

/** What is known of the future: the jobs that are expected, and the stages that somebody waits to start. */
export interface PoolQueue<Lease> {
  /** Replaces what is expected; stages that are waited for stay, whatever it says. At most STAGES_MAX are kept. */
  expect(jobs: readonly ExpectedJob[]): void;
  /** Resolves with the lease once the stage is started. It is expected no more when it is given up or fails. */
  wait(ask: StageAsk, signal: AbortSignal): Promise<Lease>;
  demandOf(running: readonly StageAsk[]): Demand;
  /** Takes out who waits for the stage, to be given the lease at once, and counts whom it overtakes. */
  start(run: Run): Waiter<Lease>;
  /** Rejects whoever waits for a stage that is meant. */
  fail(isMeant: (ask: StageAsk) => boolean, error: unknown): void;
  /** Forgets a stage, and rejects whoever waits for it; others of its job are not to blame. */
  drop(job: string, stage: string, error: unknown): void;
  waiting(): number;
}

interface Job {
  overtaken: number;
  readonly stages: Map<string, StageDemand>;
}

interface Waiter<Lease> {
  readonly ask: StageAsk;
  readonly sinceMs: number;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: unknown) => void;
}

/** Further ahead nothing is planned. */
const STAGES_MAX = 4_096;

interface QueueOptions {
  /** A model's place in the pool; undefined for models of others, whose stages are not planned for. */
  placeOf(model: string): number | undefined;
  now(): number;
  onChange(): void;
}

export function createPoolQueue<Lease>(options: QueueOptions): PoolQueue<Lease> {
  const { placeOf, now, onChange } = options;
  /** In the order of their arrival. */
  const jobs = new Map<string, Job>();
  const waiters = new Set<Waiter<Lease>>();

  const waiterOf = (job: string, stage: string): Waiter<Lease> | undefined =>
    waiters.values().find(({ ask }) => ask.job === job && ask.stage === stage);

  function add(job: string, { id, model, activationBytes }: ExpectedStage, isReady: boolean): void {
    const place = placeOf(model);
    if (place === undefined) return;
    let known = jobs.get(job);
    if (known === undefined) jobs.set(job, (known = { overtaken: 0, stages: new Map() }));
    known.stages.set(id, { id, model: place, activationBytes, isReady });
  }

  const addAsked = ({ job, stage, ...rest }: StageAsk): void => add(job, { id: stage, ...rest }, true);

  /** Stages leave one by one, and with the last of them the job. */
  function remove(job: string, stage: string): void {
    const known = jobs.get(job);
    known?.stages.delete(stage);
    if (known?.stages.size === 0) jobs.delete(job);
  }

  function leave(waiter: Waiter<Lease>, error: unknown): void {
    waiters.delete(waiter);
    remove(waiter.ask.job, waiter.ask.stage);
    waiter.reject(error);
    onChange();
  }

  function fail(isMeant: (ask: StageAsk) => boolean, error: unknown): void {
    for (const waiter of waiters) if (isMeant(waiter.ask)) leave(waiter, error);
  }

  return {
    fail,
    expect(expected) {
      const before = new Map(jobs);
      jobs.clear();
      let left = STAGES_MAX;
      for (const { id, stages } of expected) {
        for (const stage of stages.slice(0, left)) add(id, stage, false);
        left = Math.max(0, left - stages.length);
      }
      for (const { ask } of waiters) addAsked(ask);
      for (const [id, job] of jobs) job.overtaken = before.get(id)?.overtaken ?? 0;
      onChange();
    },
    async wait(ask, signal) {
      signal.throwIfAborted();
      invariant(waiterOf(ask.job, ask.stage) === undefined, "a stage is waited for once");
      const { promise, resolve, reject } = Promise.withResolvers<Lease>();
      const abort = (): void => leave(waiter, signal.reason);
      // Once it is handed over, only its holder can give the lease back.
      const settle = (): void => signal.removeEventListener("abort", abort);
      const waiter: Waiter<Lease> = {
        ask,
        sinceMs: now(),
        resolve: (lease) => (settle(), resolve(lease)),
        reject: (error) => (settle(), reject(error)),
      };
      signal.addEventListener("abort", abort, { once: true });
      waiters.add(waiter);
      addAsked(ask);
      onChange();
      return await promise;
    },
    demandOf(running) {
      const isFree = (job: string, stage: string): boolean =>
        !running.some((ask) => ask.job === job && ask.stage === stage);
      const runningJobs = new Set(running.map(({ job }) => job));
      return [...jobs].map(([id, { overtaken, stages }]) => ({
        id,
        overtaken,
        isRunning: runningJobs.has(id),
        stages: [...stages.values()].filter((stage) => isFree(id, stage.id)),
      }));
    },
    start({ job, stage, overtaken }) {
      const waiter = waiterOf(job.id, stage.id);
      invariant(waiter !== undefined, "only what is waited for is started");
      for (const { id } of overtaken) jobs.get(id)!.overtaken += 1;
      waiters.delete(waiter);
      remove(job.id, stage.id);
      return waiter;
    },
    drop(job, stage, error) {
      remove(job, stage);
      fail((ask) => ask.job === job && ask.stage === stage, error);
    },
    waiting: () => waiters.size,
  };
}
