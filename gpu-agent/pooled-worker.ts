import { findModel } from "#shared/domain/catalogue.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import type { JobAhead, Lease, StageAhead } from "#shared/domain/message.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import type { Log } from "#shared/log.ts";
import type { Clock } from "#shared/ports.ts";
import type { FootprintSample } from "./vram/footprint.ts";
import type { Footprints } from "./vram/footprint-file.ts";
import { createLoadTimes } from "./vram/load-times.ts";
import { createModelPool } from "./vram/model-pool.ts";
import { nextOomStep, type OomStep } from "./vram/oom-ladder.ts";
import type { PageCache } from "./vram/page-cache.ts";
import type { ModelPool } from "./vram/pool-contract.ts";
import type { PoolEvent } from "./vram/pool-event.ts";
import { tooLarge } from "./vram/pool-fault.ts";
import type { PoolState } from "./vram/pool-state.ts";
import type { ExpectedJob } from "./vram/pool-queue.ts";
import { POLICIES, type PolicyName } from "./vram/policy-table.ts";
import { chooseTile, type TileChoice } from "./vram/tile-choice.ts";
import type { Grant, RunOutcome, UseEvent, Worker, WorkerAbility } from "./worker/protocol.ts";
import type { RunPeak } from "./worker/session-threads.ts";
import { createWorkerDevice } from "./worker/worker-device.ts";
import type { WorkerProcess } from "./worker/worker-process.ts";

/** How the memory of one device is used; bytes. */
interface PoolSettings {
  readonly policy: PolicyName;
  /** For sessions and their activations. */
  readonly budgetBytes: number;
  /** Beside it: what the runtime itself takes, and what releases may leave behind. */
  readonly reserveBytes: number;
  /** Memory of the machine for prepared files. */
  readonly warmBytesMax: number;
  /** Models that are never evicted. */
  readonly pinned: readonly string[];
}

export interface PooledWorkerOptions {
  readonly process: WorkerProcess;
  readonly settings: PoolSettings;
  /** Whether the device is the processor: its memory is the worker's own, pixels and all. */
  readonly isProcessor: boolean;
  /** Device memory of a process. */
  memoryOf(pid: number, signal: AbortSignal): Promise<number | undefined>;
  readonly pages: PageCache;
  readonly footprints: Footprints;
  /** The catalogue, unless given; for tests at a scale that no real model has. */
  readonly entryOf?: (model: string) => ModelEntry | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Of every event, with the pool as it is right after. Must not throw. */
  onEvent(event: PoolEvent, state: PoolState): void;
}

/** A worker whose models are the affair of a pool on this side. */
export interface PooledWorker extends Worker, AsyncDisposable {}

/** The stage that runs, and what has been tried for it. */
interface Current {
  readonly lease: Lease;
  readonly tried: OomStep["kind"][];
  /** Models it has had: not expected again. */
  readonly had: Set<string>;
  /** The worker was replaced under it, or must be: it is begun anew. */
  isAgain: boolean;
}

/** How often a stage is begun anew in a fresh worker before its failure is reported. */
const RESTARTS_MAX = 2;
/** A stage that hangs is the watchdog's affair (watch.ts). */
const USE_MS_MAX = 86_400_000;
/** Between two looks at which files are really in memory. */
const LOOK_MS = 60_000;
/** A file counts as in memory from this part of it on. */
const RESIDENT_RATIO_MIN = 0.9;

const never = new AbortController().signal;

/**
 * Brings a worker process and a pool together: the stages in the process ask for models, the pool says when, and the
 * process opens and releases them. It lives on this side because replacing the process is the pool's last resort.
 */
export function createPooledWorker(options: PooledWorkerOptions): PooledWorker {
  const { process, settings, footprints, pages, clock, log, entryOf = findModel } = options;
  const closing = new AbortController();
  const loadTimes = createLoadTimes(() => clock.now());
  let pool: ModelPool<Grant, readonly RunPeak[]> | undefined;
  let files: ReadonlyMap<string, WorkerAbility["files"][number]> = new Map();
  let offered: readonly string[] = [];
  let current: Current | undefined;
  /** What was done last: the rest of its job is likely to come here too. */
  let latest: Lease | undefined;
  /** Aborted when the run that goes on now is killed. */
  let killed = new AbortController();
  /** Ends when the latest model lent is given back. */
  let lending: Promise<void> = Promise.resolve();
  let jobsAhead: readonly JobAhead[] = [];
  /** What stages hold or wait for. */
  const uses = new Map<number, { readonly model: string; readonly over: AbortController }>();

  const device = createWorkerDevice({
    process,
    pages,
    isProcessor: options.isProcessor,
    memoryOf: async (pid, signal) =>
      // The pixels of a stage are in the same memory.
      options.isProcessor && current !== undefined ? undefined : await options.memoryOf(pid, signal),
    onRecycle() {
      if (current !== undefined) current.isAgain = true;
    },
  });

  function tileOf(model: string): TileChoice {
    const entry = entryOf(model);
    invariant(entry !== undefined, `the worker offers only what the catalogue knows, not ${model}`);
    return chooseTile(entry, footprints.of(digestOf(model)), settings.budgetBytes);
  }

  /** The runtime's arena keeps what the largest run took until the session is released. */
  function bytesOf(model: string): number {
    const { sessionBytes, activationBytes } = tileOf(model);
    return sessionBytes + activationBytes;
  }

  const digestOf = (model: string): string => files.get(model)?.sha256 ?? "";
  const note = (model: string, sample: FootprintSample): void => footprints.note(digestOf(model), sample);

  function openPool(ability: WorkerAbility): ModelPool<Grant, readonly RunPeak[]> {
    files = new Map(ability.files.map((file) => [file.model, file]));
    offered = ability.models.filter(fits);
    const opened = createModelPool({
      device,
      models: ability.files.map(({ model, bytes }) => ({
        id: model,
        fileBytes: bytes,
        isPinned: settings.pinned.includes(model),
      })),
      policy: POLICIES[settings.policy],
      deviceBytes: settings.budgetBytes + settings.reserveBytes,
      reserveBytes: settings.reserveBytes,
      warmBytesMax: settings.warmBytesMax,
      executors: 1,
      clock,
      times: { runMs: USE_MS_MAX },
      bytesOf,
      loadMsOf: (model) => loadTimes.of(model, files.get(model)?.bytes ?? 0),
      onEvent(event) {
        loadTimes.hear(event);
        if (event.kind === "measured") note(event.model, { what: event.what, bytes: event.bytes });
        options.onEvent(event, opened.state());
      },
    });
    void watchFiles(opened);
    return opened;
  }

  /** Corrects what the pool believes of the files in memory by what the system says. */
  async function watchFiles(opened: ModelPool<Grant, readonly RunPeak[]>): Promise<void> {
    while (!closing.signal.aborted) {
      await clock.sleep(LOOK_MS, closing.signal).catch(() => undefined);
      for (const { id, phase } of opened.state().models) {
        const paths = device.filesOf(id);
        if (closing.signal.aborted || paths.length === 0 || (phase !== "warm" && phase !== "cold")) continue;
        const ratio = await pages.residentRatio(paths, closing.signal).catch(() => undefined);
        if (ratio !== undefined) opened.noteFile(id, ratio >= RESIDENT_RATIO_MIN);
      }
    }
  }

  process.listen({
    onUse(event) {
      switch (event.type) {
        case "take":
          return void (lending = lend(event, lending));
        case "exhausted":
          return void relieve(event);
        case "returned":
          return giveBack(event);
      }
    },
    onDeath(how) {
      device.lost(new Fault("busy", "device_failed", `The worker has ended: ${how}.`));
      for (const { over } of uses.values()) over.abort();
      uses.clear();
      // Its sessions are gone, whether anybody used them or not.
      void pool?.replaceWorker().catch(() => undefined);
    },
  });

  async function lend(
    { use, model }: Extract<UseEvent, { type: "take" }>,
    earlier: Promise<void>,
  ): Promise<void> {
    const over = new AbortController();
    uses.set(use, { model, over });
    try {
      invariant(pool !== undefined && current !== undefined, "a stage runs in a worker that was ready");
      const { job, stage } = current.lease;
      const ask = { job, stage: stageId(stage, model), model, activationBytes: 0 };
      // What was given back in the same breath may not have arrived in the pool yet.
      await earlier;
      await using lease = await pool.take(ask, over.signal);
      over.signal.throwIfAborted();
      current.had.add(model);
      const { tilePixels } = tileOf(model);
      const { answer } = await lease.run({ use, tilePixels, isOnProcessor: false }, never);
      for (const peak of answer) note(model, { what: "peak", ...peak });
    } catch (error) {
      if (!(error instanceof Fault) && !over.signal.aborted) log.error("model-not-lent", { model, error });
      if (uses.get(use)?.over === over) process.deny(use, error);
    } finally {
      // The next process counts its uses anew.
      if (uses.get(use)?.over === over) uses.delete(use);
    }
  }

  function giveBack(event: Extract<UseEvent, { type: "returned" }>): void {
    uses.get(event.use)?.over.abort();
    device.returned(event);
  }

  /** The ladder: what is done when a run lacks memory. */
  async function relieve({ use, tilePixels }: Extract<UseEvent, { type: "exhausted" }>): Promise<void> {
    const asked = uses.get(use);
    if (asked === undefined || current === undefined || pool === undefined) return;
    const { model } = asked;
    const { tried, lease } = current;
    note(model, { what: "exhausted", tilePixels });
    const choice = tileOf(model);
    const step = nextOomStep({
      model,
      tilePixels,
      tilePixelsMin: choice.tilePixelsMin,
      sessionBytes: choice.sessionBytes,
      // There is no other processor to go to.
      tried: options.isProcessor ? [...tried, "cpu"] : tried,
    });
    tried.push(step.kind);
    log.warn("memory-exhausted", { model, job: lease.job, stage: lease.stage, tilePixels, step: step.kind });
    switch (step.kind) {
      case "smaller-tile":
        return process.grant({ use, tilePixels: step.tilePixels, isOnProcessor: false });
      case "evict-idle":
        await pool.evictIdle().catch(() => undefined);
        // The process may have died meanwhile, and this number be another use's.
        if (uses.get(use) === asked) process.grant({ use, tilePixels, isOnProcessor: false });
        return;
      case "recycle":
        current.isAgain = true;
        return process.deny(
          use,
          new Fault("busy", "memory_exhausted", `A new worker is tried for ${model}.`),
        );
      case "cpu":
        return process.grant({ use, tilePixels, isOnProcessor: true });
      case "fail":
        return process.deny(use, step.fault);
    }
  }

  /** Says to the pool what is known of the future: the rest of this job first, then the jobs that wait. */
  function tellExpected(): void {
    const jobs: ExpectedJob[] = [];
    if (current !== undefined) {
      const { lease, had } = current;
      const own = { stage: lease.stage, models: lease.models.filter((model) => !had.has(model)) };
      jobs.push(expectedJob(lease.job, [own, ...lease.ahead]));
    } else if (latest !== undefined) jobs.push(expectedJob(latest.job, latest.ahead));
    const others = jobsAhead.filter(({ job }) => !jobs.some(({ id }) => id === job));
    pool?.expect([...jobs, ...others.map(({ job, stages }) => expectedJob(job, stages))]);
  }

  return {
    async ready(signal) {
      const ability = await process.ready(signal);
      pool ??= openPool(ability);
      return { ...ability, models: [...offered] };
    },
    async run(lease, onProgress, signal) {
      const tried: OomStep["kind"][] = [];
      killed = new AbortController();
      const over = AbortSignal.any([signal, killed.signal]);
      // What was said of it before is out of date.
      jobsAhead = jobsAhead.filter(({ job }) => job !== lease.job);
      for (let restarts = 0; ; restarts += 1) {
        current = { lease, tried, had: new Set(), isAgain: false };
        tellExpected();
        const outcome: RunOutcome = await process.run(lease, onProgress, signal);
        const { isAgain } = current;
        current = undefined;
        latest = outcome.type === "done" ? lease : undefined;
        tellExpected();
        const isOver = !isAgain || outcome.type === "done" || outcome.type === "aborted";
        if (isOver || killed.signal.aborted || restarts === RESTARTS_MAX) return outcome;
        log.warn("run-restarted", { job: lease.job, stage: lease.stage, after: outcome.type });
        try {
          // It may take for ever, where no process can be started.
          await unlessAborted(over, pool?.replaceWorker());
          await process.ready(over);
        } catch {
          return signal.aborted ? { type: "aborted" } : outcome;
        }
      }
    },
    kill() {
      killed.abort();
      process.kill();
    },
    hot: () =>
      (pool?.state().models ?? []).flatMap(({ id, phase }) =>
        phase === "hot" || phase === "leased" ? [id] : [],
      ),
    foresee(jobs) {
      jobsAhead = jobs;
      tellExpected();
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await process[Symbol.asyncDispose]();
      await pool?.[Symbol.asyncDispose]();
    },
  };

  /** Whether a model can ever be loaded here; one that cannot is not offered, and so never planned. */
  function fits(model: string): boolean {
    if (!files.has(model)) return true;
    const needBytes = bytesOf(model);
    if (needBytes <= settings.budgetBytes) return true;
    log.warn("model-too-large", { error: tooLarge(model, needBytes, settings.budgetBytes) });
    return false;
  }
}

/** @throws the signal's reason, at once; what the work throws. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T> | undefined): Promise<T | undefined> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function stageId(stage: string, model: string): string {
  return `${stage}/${model}`;
}

function expectedJob(id: string, stages: readonly StageAhead[]): ExpectedJob {
  return {
    id,
    stages: stages.flatMap(({ stage, models }) =>
      models.map((model) => ({ id: stageId(stage, model), model, activationBytes: 0 })),
    ),
  };
}
