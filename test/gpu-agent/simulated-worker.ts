import { createGate } from "#agent/gate.ts";
import type { PageCache } from "#agent/vram/page-cache.ts";
import {
  wireOf,
  faultOf,
  type Grant,
  type ModelAnswer,
  type RunOutcome,
  type UseEvent,
} from "#agent/worker/protocol.ts";
import type { WorkerListener, WorkerProcess } from "#agent/worker/worker-process.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import type { Lease, Progress } from "#shared/domain/message.ts";
import type { Clock } from "#shared/ports.ts";
import { runSimulatedStage } from "./simulated-stage.ts";

/** A model of a simulated worker: what it really takes. */
export interface SimulatedFile {
  readonly id: string;
  /** Of its session, apart from activations. */
  readonly sessionBytes: number;
  readonly bytesPerPixel: number;
  /** What a release leaves behind, until the process ends. */
  readonly residueBytes?: number;
  /** Of a load from memory; from disk it takes `readMs` more. */
  readonly openMs: number;
  readonly readMs: number;
}

type Doing = "start" | "open" | "release" | "between" | "tile";
/**
 * `memory` too little of it; `invalid` the file is damaged; `crash` the process dies; `hang` it never answers; `slow` the
 * memory of a release comes back late.
 */
export type Mishap = "memory" | "invalid" | "crash" | "hang" | "slow";
/** Asked before everything that is done; undefined lets it go well. */
export type Fate = (
  doing: Doing,
  at: { readonly model: string; readonly generation: number; readonly tilePixels: number },
) => Mishap | undefined;

export interface SimulatedWorkerOptions {
  readonly clock: Clock;
  readonly files: readonly SimulatedFile[];
  readonly deviceBytes: number;
  readonly hasSpare?: boolean;
  readonly startMs?: number;
  /** From the end of a release until its memory is back. */
  readonly releaseMs?: number;
  readonly slowMs?: number;
  /** A whole run of a stage on one model takes so many tiles of so long. */
  tilesOf(lease: Lease, model: string, tilePixels: number): { readonly count: number; readonly ms: number };
  readonly fate?: Fate;
}

export interface SimulatedWorker extends WorkerProcess {
  /** What really happened, whatever the pool believes. */
  readonly seen: {
    heldBytes: number;
    peakBytes: number;
    /** Times that more was asked for than there was, by nobody's mishap. */
    overflows: number;
    /** Stages that were begun: "job_1 upscale in process 1". */
    readonly begun: string[];
    /** "granted 1 of 65536 px", "denied 1 memory_exhausted". */
    readonly told: string[];
    /** Times that a model was used beside the device. */
    onProcessor: number;
  };
  /** Open in the process that lives now; `undefined` between two. */
  sessions(): readonly string[] | undefined;
  /** Which files lie in the memory of the machine. */
  readonly pages: PageCache;
  memoryOf(pid: number): Promise<number | undefined>;
  /** Ends the process that runs now, as if by itself. */
  crash(): void;
}

/** What a stage of the process may do. */
export interface StageHost {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Asks the supervisor, and waits for its answer. */
  ask(event: Extract<UseEvent, { type: "take" | "exhausted" }>, signal: AbortSignal): Promise<Grant>;
  tell(event: Extract<UseEvent, { type: "returned" }>): void;
  newUse(): number;
  tilesOf: SimulatedWorkerOptions["tilesOf"];
  /** Runs one tile; its memory stays with the session, as it does with the arena of the runtime. */
  tile(model: string, grant: Grant, ms: number): Promise<void>;
  between(): Promise<void>;
}

interface Session {
  bytes: number;
  arenaBytes: number;
}

/** One process. */
interface Life {
  readonly pid: number;
  readonly end: AbortController;
  readonly isReady: Promise<boolean>;
  readonly sessions: Map<string, Session>;
  readonly asked: Map<number, { resolve(grant: Grant): void; reject(error: unknown): void }>;
  readonly outbox: (() => void)[];
  isUp: boolean;
  uses: number;
}

/** Messages of the process are read together, this long after the first of them was sent. */
const MAIL_MS = 1;
const RUNTIME_BYTES = 300 * 2 ** 20;
const RESPAWN_MS = 250;

/**
 * A worker process that is none, on a clock: it obeys a byte budget, takes its time and fails as it is told. Not on top of
 * `createSimulatedDevice`: here the process starts, dies and is replaced by itself, and what runs took stays with the
 * session.
 */
export function createSimulatedWorker(options: SimulatedWorkerOptions): SimulatedWorker {
  const { clock, hasSpare = false, startMs = 1_500, releaseMs = 300, slowMs = 20_000 } = options;
  const { fate = () => undefined } = options;
  const files = new Map(options.files.map((file) => [file.id, file]));
  const inMemory = new Set<string>();
  const seen: SimulatedWorker["seen"] = {
    heldBytes: 0,
    peakBytes: 0,
    overflows: 0,
    begun: [],
    told: [],
    onProcessor: 0,
  };
  const warm = createGate();
  const closing = new AbortController();
  let current: Life | undefined;
  let spare: Life | undefined;
  let generation = 0;
  let pids = 0;
  let listener: WorkerListener | undefined;
  let active:
    | {
        readonly onProgress: (progress: Progress) => void;
        readonly end: (outcome: RunOutcome) => void;
        readonly stop: AbortController;
      }
    | undefined;
  const calls = new Set<(error: unknown) => void>();

  const mishap = (doing: Doing, model = "", tilePixels = 0): Mishap | undefined =>
    fate(doing, { model, generation, tilePixels });

  function start(): Life {
    const end = new AbortController();
    const life: Life = {
      pid: (pids += 1),
      end,
      isReady: begin(),
      sessions: new Map(),
      asked: new Map(),
      outbox: [],
      isUp: false,
      uses: 0,
    };
    return life;

    async function begin(): Promise<boolean> {
      const what = mishap("start");
      try {
        await clock.sleep(startMs, end.signal);
      } catch {
        return false;
      }
      if (what === "crash") return (end.abort(died("exit code 1")), false);
      return (life.isUp = true);
    }
  }

  async function keepAlive(): Promise<void> {
    for (let deaths = 0; !closing.signal.aborted; deaths += 1) {
      await live();
      if (closing.signal.aborted || spare?.isUp === true) continue;
      await clock.sleep(RESPAWN_MS * 2 ** Math.min(deaths, 6), closing.signal).catch(() => undefined);
    }
  }

  async function live(): Promise<void> {
    const life = spare ?? start();
    spare = undefined;
    current = life;
    generation += 1;
    if (await life.isReady) {
      warm.open();
      if (hasSpare) spare = start();
    }
    await aborted(life.end.signal);
    // Its exit is noticed a little later; what is told to it meanwhile is lost.
    if (!closing.signal.aborted) await clock.sleep(MAIL_MS, closing.signal).catch(() => undefined);
    current = undefined;
    seen.heldBytes = 0;
    warm.close();
    for (const reject of calls) reject(new Fault("busy", "device_failed", "The worker has ended."));
    calls.clear();
    settle({ type: "died", how: wordsOf(life) });
    listener?.onDeath(wordsOf(life));
  }

  function settle(outcome: RunOutcome): void {
    const ended = active;
    active = undefined;
    ended?.end(outcome);
  }

  /** From the process to its supervisor. */
  function post(life: Life, deliver: () => void): void {
    life.outbox.push(deliver);
    if (life.outbox.length > 1) return;
    void clock.sleep(MAIL_MS, life.end.signal).then(
      () => life.outbox.splice(0).forEach((each) => each()),
      () => undefined,
    );
  }

  function take(bytes: number): void {
    if (seen.heldBytes + bytes > options.deviceBytes) {
      seen.overflows += 1;
      throw outOfMemory();
    }
    seen.heldBytes += bytes;
    seen.peakBytes = Math.max(seen.peakBytes, seen.heldBytes);
  }

  function free(life: Life, bytes: number): void {
    if (life === current && !life.end.signal.aborted) seen.heldBytes -= bytes;
  }

  /** Takes its time, unless something happens to it. */
  async function pass(life: Life, ms: number, what: Mishap | undefined): Promise<void> {
    const { signal } = life.end;
    if (what === "hang") return await never(signal);
    if (what === "memory") throw outOfMemory();
    await clock.sleep(ms, signal);
    if (what === "crash") life.end.abort(died("signal SIGSEGV"));
    signal.throwIfAborted();
    if (what === "invalid") throw new Fault("conflict", "model_invalid", "The model cannot be run.");
  }

  async function read(life: Life, file: SimulatedFile): Promise<void> {
    if (!inMemory.has(file.id)) await clock.sleep(file.readMs, life.end.signal);
    inMemory.add(file.id);
  }

  async function open(life: Life, file: SimulatedFile): Promise<ModelAnswer> {
    const { id, sessionBytes } = file;
    if (life.sessions.has(id)) throw new Error(`The model ${id} is open already.`);
    const what = mishap("open", id);
    await read(life, file);
    take(sessionBytes);
    try {
      await pass(life, file.openMs, what);
    } catch (error) {
      free(life, sessionBytes);
      throw error;
    }
    life.sessions.set(id, { bytes: sessionBytes, arenaBytes: 0 });
    return { files: [pathOf(id)] };
  }

  async function release(life: Life, { id, residueBytes = 0 }: SimulatedFile): Promise<ModelAnswer> {
    const what = mishap("release", id);
    const session = life.sessions.get(id);
    await pass(life, 1, what === "slow" ? undefined : what);
    life.sessions.delete(id);
    const backMs = what === "slow" ? slowMs : releaseMs;
    void clock.sleep(backMs, life.end.signal).then(
      () => free(life, session === undefined ? 0 : session.bytes + session.arenaBytes - residueBytes),
      () => undefined,
    );
    return {};
  }

  async function tile(
    life: Life,
    model: string,
    { tilePixels, isOnProcessor }: Grant,
    ms: number,
  ): Promise<void> {
    if (isOnProcessor) {
      seen.onProcessor += 1;
      return await clock.sleep(ms, life.end.signal);
    }
    const session = life.sessions.get(model);
    invariant(session !== undefined, `the model ${model} is open while it is lent`);
    const what = mishap("tile", model, tilePixels);
    if (what === "memory") throw outOfMemory();
    const moreBytes = Math.max(0, tilePixels * files.get(model)!.bytesPerPixel - session.arenaBytes);
    take(moreBytes);
    session.arenaBytes += moreBytes;
    await pass(life, ms, what);
  }

  const hostOf = (life: Life): StageHost => ({
    clock,
    signal: life.end.signal,
    tilesOf: options.tilesOf,
    newUse: () => (life.uses += 1),
    tell: (event) => post(life, () => listener?.onUse(event)),
    tile: (model, grant, ms) => tile(life, model, grant, ms),
    async between() {
      const what = mishap("between");
      // Else at once: what is said before and after is read together.
      if (what !== undefined) await pass(life, 2 * MAIL_MS, what);
    },
    async ask(event, signal) {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<Grant>();
      const giveUp = (): void => reject(signal.reason);
      life.asked.set(event.use, { resolve, reject });
      signal.addEventListener("abort", giveUp, { once: true });
      try {
        post(life, () => listener?.onUse(event));
        return await promise;
      } finally {
        life.asked.delete(event.use);
        signal.removeEventListener("abort", giveUp);
      }
    },
  });

  async function ready(signal: AbortSignal) {
    for (;;) {
      await warm.opened(signal);
      if (current?.isUp !== true) continue;
      return {
        device: "cuda",
        stages: [...STAGES],
        models: [...files.keys()],
        files: [...files.values()].map(({ id, sessionBytes }) => ({
          model: id,
          sha256: digestOf(id),
          bytes: sessionBytes,
        })),
      };
    }
  }

  const living = keepAlive();

  return {
    seen,
    ready,
    sessions: () =>
      current?.isUp === true && !current.end.signal.aborted ? [...current.sessions.keys()] : undefined,
    memoryOf: async (pid) => (current?.pid === pid ? RUNTIME_BYTES + seen.heldBytes : undefined),
    pages: {
      residentRatio: async (paths) => (paths.every((path) => inMemory.has(idOf(path))) ? 1 : 0),
      readIn: async () => undefined,
      async letGo(paths) {
        for (const path of paths) inMemory.delete(idOf(path));
        return true;
      },
    },
    crash: () => current?.end.abort(died("signal SIGSEGV")),
    kill: () => current?.end.abort(died("signal SIGKILL")),
    pid: () => current?.pid,
    generation: () => generation,
    listen: (wanted) => void (listener = wanted),
    grant(grant) {
      seen.told.push(
        `granted ${grant.use} of ${grant.tilePixels} px${grant.isOnProcessor ? " on the processor" : ""}`,
      );
      current?.asked.get(grant.use)?.resolve(grant);
    },
    deny(use, error) {
      const wire = wireOf(error);
      seen.told.push(`denied ${use} ${wire.code}`);
      current?.asked.get(use)?.reject(faultOf(wire));
    },
    async run(lease, onProgress, signal) {
      if (signal.aborted) return { type: "aborted" };
      const life = current;
      if (life?.isUp !== true) return { type: "died", how: "it was not running" };
      const { promise, resolve } = Promise.withResolvers<RunOutcome>();
      const mine = { onProgress, end: resolve, stop: new AbortController() };
      active = mine;
      seen.begun.push(`${lease.job} ${lease.stage} in process ${generation}`);
      const stop = (): void => mine.stop.abort(new Error("stopped"));
      signal.addEventListener("abort", stop, { once: true });
      const report = (progress: Progress): void => post(life, () => active === mine && onProgress(progress));
      void runSimulatedStage(hostOf(life), { lease, report }, mine.stop.signal).then((outcome) =>
        post(life, () => active === mine && settle(outcome)),
      );
      try {
        return await promise;
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    async command({ type, model }, signal) {
      signal.throwIfAborted();
      const life = current;
      if (life?.isUp !== true) throw new Fault("busy", "device_failed", "The worker is not running.");
      const file = files.get(model);
      invariant(file !== undefined, "only what was offered is asked for");
      const { promise, resolve, reject } = Promise.withResolvers<ModelAnswer>();
      const giveUp = (): void => reject(signal.reason);
      calls.add(reject);
      signal.addEventListener("abort", giveUp, { once: true });
      const obey = { open, release, warm: async () => (await read(life, file), { files: [pathOf(model)] }) }[
        type
      ];
      obey(life, file).then(
        (answer) => post(life, () => resolve(answer)),
        (error: unknown) => post(life, () => reject(faultOf(wireOf(error)))),
      );
      try {
        return await promise;
      } finally {
        calls.delete(reject);
        signal.removeEventListener("abort", giveUp);
      }
    },
    async replace(which, signal) {
      if (which === generation && current !== undefined) {
        const { end } = current;
        end.abort(died("signal SIGKILL"));
      }
      const isStill = (): boolean => which === generation;
      while (isStill()) await clock.sleep(MAIL_MS, signal);
      await ready(signal);
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      for (const life of [current, spare]) life?.end.abort(died("signal SIGKILL"));
      await living;
    },
  };
}

const STAGES = ["analyze", "repair", "denoise", "colorize", "faces", "upscale", "finish"] as const;

/** Distinct for every model. */
export function digestOf(model: string): string {
  return Buffer.from(model).toString("hex").padEnd(64, "0");
}

const pathOf = (id: string): string => `/models/${id}`;
const idOf = (path: string): string => path.slice("/models/".length);

const died = (how: string): Fault => new Fault("busy", "device_failed", how);

function wordsOf(life: Life): string {
  const { reason } = life.end.signal as { reason: unknown };
  return reason instanceof Error ? reason.message : "exit code 0";
}

function outOfMemory(): Fault {
  return new Fault("busy", "memory_exhausted", "There is not enough memory on the device.");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Ends only with the process. */
function never(life: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = (): void => reject(life.reason as Error);
    if (life.aborted) end();
    else life.addEventListener("abort", end, { once: true });
  });
}
