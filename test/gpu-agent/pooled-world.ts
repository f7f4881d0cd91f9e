import { createManualClock, type ManualClock } from "#shared/adapters/manual-clock.ts";
import { findModel } from "#shared/domain/catalogue.ts";
import { invariant } from "#shared/domain/fault.ts";
import type { Lease } from "#shared/domain/message.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { createLog } from "#shared/log.ts";
import { createPooledWorker, type PooledWorker } from "#agent/pooled-worker.ts";
import type { Footprints } from "#agent/vram/footprint-file.ts";
import { NO_FOOTPRINT, withSample, type Footprint } from "#agent/vram/footprint.ts";
import type { PolicyName } from "#agent/vram/policy-table.ts";
import type { PoolEvent } from "#agent/vram/pool-event.ts";
import { budgetBytesOf, usedBytesOf, type PoolState } from "#agent/vram/pool-state.ts";
import type { RunOutcome } from "#agent/worker/protocol.ts";
import { sampleLease } from "./sample-lease.ts";
import {
  createSimulatedWorker,
  type SimulatedFile,
  type SimulatedWorker,
  type SimulatedWorkerOptions,
} from "./simulated-worker.ts";

export const GIBIBYTE = 2 ** 30;
/** The largest tile of every simulated model. */
export const TILE_PIXELS = 65_536;
const TILES = 4;
const TILE_MS = 500;

export interface PooledWorldAsk extends Partial<Omit<SimulatedWorkerOptions, "clock" | "files">> {
  /** Gibibytes of each one's session. */
  readonly models: Readonly<Record<string, number>>;
  /** What else is to be said of one. */
  readonly fileOf?: (id: string) => Partial<SimulatedFile>;
  /** What a session is declared to take beside the truth. */
  readonly declared?: Partial<NonNullable<ModelEntry["footprint"]>>;
  readonly budgetGibibytes: number;
  readonly reserveBytes?: number;
  readonly pinned?: readonly string[];
  readonly policy?: PolicyName;
  readonly isProcessor?: boolean;
  readonly footprints?: Footprints;
  readonly memoryOf?: (process: SimulatedWorker, pid: number) => Promise<number | undefined>;
  readonly clock?: ManualClock;
  readonly onEvent?: (event: PoolEvent, state: PoolState, process: SimulatedWorker) => void;
}

export interface PooledWorld extends AsyncDisposable {
  readonly worker: PooledWorker;
  readonly process: SimulatedWorker;
  readonly clock: ManualClock;
  readonly events: PoolEvent[];
  readonly lines: string[];
  /** The pool after its latest event. */
  state(): PoolState;
  /** Runs a stage to its end, moving the clock as long as that takes. */
  run(models: readonly string[], change?: Partial<Lease>): Promise<RunOutcome>;
  /** Begins one; to be ended by `clock.advance`. */
  begin(models: readonly string[], change?: Partial<Lease>, signal?: AbortSignal): Promise<RunOutcome>;
  /** How long each stage has waited for its model, in order: "b 0". */
  waits(): string[];
}

const never = new AbortController().signal;
/** Longer than anything takes, hangs and all. */
const PATIENCE_MS = 20 * 60_000;

/** A pool and a worker process that is none, on a clock that stands still; the process is ready. */
export async function openPooledWorld(ask: PooledWorldAsk): Promise<PooledWorld> {
  const { models, budgetGibibytes, reserveBytes = GIBIBYTE / 2, declared, ...rest } = ask;
  const clock = ask.clock ?? createManualClock();
  const files = Object.entries(models).map(([id, gibibytes]): SimulatedFile => ({
    id,
    sessionBytes: gibibytes * GIBIBYTE,
    bytesPerPixel: 1_000,
    openMs: 1_000,
    readMs: 2_000,
    ...ask.fileOf?.(id),
  }));
  const budgetBytes = budgetGibibytes * GIBIBYTE;
  const process = createSimulatedWorker({
    deviceBytes: budgetBytes + reserveBytes,
    tilesOf: (_lease, _model, tilePixels) => ({ count: (TILES * TILE_PIXELS) / tilePixels, ms: TILE_MS }),
    ...rest,
    clock,
    files,
  });
  const events: PoolEvent[] = [];
  const lines: string[] = [];
  let latest: PoolState | undefined;
  const worker = createPooledWorker({
    process,
    settings: {
      policy: ask.policy ?? "lookahead",
      budgetBytes,
      reserveBytes,
      warmBytesMax: 256 * GIBIBYTE,
      pinned: ask.pinned ?? [],
    },
    isProcessor: ask.isProcessor ?? false,
    memoryOf: (pid) => (ask.memoryOf ?? ((each, pid) => each.memoryOf(pid)))(process, pid),
    pages: process.pages,
    footprints: ask.footprints ?? createMemoryFootprints(),
    entryOf: (id) =>
      entryOf(
        files.find((each) => each.id === id),
        declared,
      ),
    clock,
    log: createLog({ level: "debug", now: clock.now, write: (line) => lines.push(line) }),
    onEvent(event, state) {
      latest = state;
      events.push(event);
      ask.onEvent?.(event, state, process);
    },
  });
  await settled(clock, worker.ready(never));

  const begin: PooledWorld["begin"] = (models, change = {}, signal = never) =>
    worker.run(sampleLease({ models: [...models], stage: "upscale", ...change }), () => undefined, signal);
  return {
    worker,
    process,
    clock,
    events,
    lines,
    begin,
    state() {
      invariant(latest !== undefined, "something has happened");
      return latest;
    },
    async run(models, change) {
      const running = begin(models, change);
      await settled(clock, running);
      return await running;
    },
    waits: () =>
      events.flatMap((event) => (event.kind === "granted" ? [`${event.model} ${event.waitedMs}`] : [])),
    async [Symbol.asyncDispose]() {
      const closing = worker[Symbol.asyncDispose]();
      await settled(clock, closing);
      await closing;
    },
  };
}

/** Moves the clock until the promise is settled, or patience is at its end. */
export async function settled(clock: ManualClock, promise: PromiseLike<unknown>): Promise<void> {
  const seen = { isOver: false };
  const over = (): void => void (seen.isOver = true);
  promise.then(over, over);
  const until = clock.now() + PATIENCE_MS;
  await clock.advance(0);
  while (!seen.isOver && clock.now() < until)
    await clock.advance(Math.max(1, (clock.nextAt() ?? until) - clock.now()));
  invariant(seen.isOver, "it ends in time");
}

/** At least the promises that every test is about: never more than there is, and the pool believes what is. */
export function checkWorld({ process, state }: Pick<PooledWorld, "process" | "state">): void {
  invariant(process.seen.overflows === 0, "never more is asked of the device than it has");
  invariant(usedBytesOf(state()) <= budgetBytesOf(state()), "never more is planned than the budget");
  checkBelief(process, state());
}

/** What the pool believes to be open is open, and nothing else. To be asked while no load or release is under way. */
export function checkBelief(process: SimulatedWorker, { models }: PoolState): void {
  const open = process.sessions();
  if (open === undefined) return;
  const believed = models.flatMap(({ id, phase }) => (phase === "hot" || phase === "leased" ? [id] : []));
  const moving = new Set(
    models.flatMap(({ id, phase }) => (phase === "promoting" || phase === "draining" ? [id] : [])),
  );
  for (const id of believed) invariant(open.includes(id), `${id} is believed to be open, and is not`);
  for (const id of open)
    invariant(believed.includes(id) || moving.has(id), `${id} is open, and nobody knows of it`);
}

function entryOf(
  file: SimulatedFile | undefined,
  declared: PooledWorldAsk["declared"],
): ModelEntry | undefined {
  const template = findModel("realesr-general-x4v3");
  if (file === undefined || template === undefined) return undefined;
  const { id, sessionBytes, bytesPerPixel } = file;
  return {
    ...template,
    id,
    bytes: sessionBytes,
    tile: { ...template.tile, pixelsMax: TILE_PIXELS },
    footprint: { loadBytes: sessionBytes, bytesPerPixel, ...declared },
  };
}

/** What is learnt, for one life of the agent. */
export function createMemoryFootprints(): Footprints & { readonly known: ReadonlyMap<string, Footprint> } {
  const known = new Map<string, Footprint>();
  return {
    known,
    of: (digest) => known.get(digest) ?? NO_FOOTPRINT,
    note: (digest, sample) => void known.set(digest, withSample(known.get(digest) ?? NO_FOOTPRINT, sample)),
    saved: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
