import {
  clipped,
  isEviction,
  isFailedLoad,
  isStalled,
  OVERTAKEN_MAX,
  PICTURE_LIMITS,
} from "./pool-picture.ts";
import type { ModelPicture, PoolPicture } from "./pool-picture.ts";
import type { PoolEvent } from "./pool-event.ts";
import { usedBytesOf, type PoolState } from "./pool-state.ts";

/** When an event happened, and what the pool was right after it. */
export interface Moment {
  readonly atMs: number;
  readonly state: PoolState;
}

type Counters = PoolPicture["counters"];
type EventOf<Kind extends PoolEvent["kind"]> = Extract<PoolEvent, { kind: Kind }>;

/**
 * The picture after one more event. What happened is taken from the events alone; from the state only what they do not
 * tell: sizes, and whether a stage could have been started.
 */
export function pictureAfter(before: PoolPicture, event: PoolEvent, moment: Moment): PoolPicture {
  const { state } = moment;
  const picture = { ...pictureAt(before, moment.atMs), models: rowsOf(before, state) };
  const told = tell(picture, event, { ...moment, atMs: picture.atMs });
  return { ...told, usedBytes: usedBytesOf(state) };
}

/** The same picture at a later moment: a stall that goes on has become longer. A clock that went back changes nothing. */
export function pictureAt(picture: PoolPicture, atMs: number): PoolPicture {
  if (atMs <= picture.atMs) return picture;
  const { models, waitsFor, counters } = picture;
  const phases = models.values().map(({ phase }) => phase);
  if (!isStalled(phases, waitsFor)) return { ...picture, atMs };
  return { ...picture, atMs, counters: plus(counters, { stallMs: atMs - picture.atMs }) };
}

function rowsOf({ models, startedMs }: PoolPicture, state: PoolState): readonly ModelPicture[] {
  return state.models.slice(0, PICTURE_LIMITS.models).map((model, place) => {
    const { bytes, isPinned, isBarred, phase } = model;
    const id = clipped(model.id);
    const known = models[place];
    if (known?.id === id) return { ...known, bytes, isPinned, isBarred };
    return { id, phase, sinceMs: startedMs, bytes, isPinned, isBarred, uses: 0, loads: 0 };
  });
}

function tell(picture: PoolPicture, event: PoolEvent, moment: Moment): PoolPicture {
  const { counters } = picture;
  switch (event.kind) {
    case "phase":
      return enterPhase(picture, event, moment);
    case "granted":
      return grant(picture, event, moment.atMs);
    case "returned":
      return { ...picture, leases: picture.leases.filter((lease) => !isSame(lease, event)) };
    case "rejected":
      return { ...picture, counters: plus(counters, { rejected: 1 }) };
    case "waiting":
      return { ...picture, waitsFor: event.until };
    case "measured":
      return picture;
    case "recycle": {
      const recycle = { is: event.is, atMs: moment.atMs, why: clipped(event.why) };
      return {
        ...picture,
        recycles: [...picture.recycles, recycle].slice(-PICTURE_LIMITS.recycles),
        counters: event.is === "done" ? plus(counters, { recycles: 1 }) : counters,
      };
    }
  }
}

function enterPhase(picture: PoolPicture, event: EventOf<"phase">, { atMs, state }: Moment): PoolPicture {
  const { from, to } = event;
  if (from === to) return picture;
  const model = clipped(event.model);
  const why = clipped(event.why);
  const isLoaded = from === "promoting" && to === "hot";
  const isEvicted = isEviction(from, to);
  const loadMs = isLoaded ? atMs - (picture.models.find(({ id }) => id === model)?.sinceMs ?? atMs) : 0;
  const enter = (row: ModelPicture): ModelPicture => ({
    ...row,
    phase: to,
    sinceMs: atMs,
    ...(isLoaded && { loads: row.loads + 1, loadMs }),
    ...(isLoaded && state.isIdle && { awaitedUntilMs: atMs }),
    ...(isEvicted && { evicted: { atMs, why } }),
  });
  return {
    ...picture,
    models: picture.models.map((row) => (row.id === model ? enter(row) : row)),
    evictions: isEvicted
      ? [...picture.evictions, { model, atMs, why }].slice(-PICTURE_LIMITS.evictions)
      : picture.evictions,
    counters: plus(picture.counters, {
      loads: Number(isLoaded),
      loadMs,
      evictions: Number(isEvicted),
      failedLoads: Number(isFailedLoad(from, to)),
      prefetches: Number(event.isAhead === true),
      readAheads: Number(to === "warming"),
    }),
  };
}

function grant(picture: PoolPicture, event: EventOf<"granted">, atMs: number): PoolPicture {
  const lease = { job: clipped(event.job), stage: clipped(event.stage), model: clipped(event.model) };
  const row = picture.models.find(({ id }) => id === lease.model);
  const isHit = atMs - event.waitedMs >= (row?.awaitedUntilMs ?? 0);
  const bin = Math.min(event.overtaken, OVERTAKEN_MAX);
  return {
    ...picture,
    models: picture.models.map((other) => (other === row ? { ...row, uses: row.uses + 1 } : other)),
    leases: [...picture.leases, { ...lease, sinceMs: atMs }].slice(-PICTURE_LIMITS.leases),
    counters: plus(picture.counters, { grants: 1, hits: Number(isHit) }),
    overtaken: picture.overtaken.map((count, nth) => (nth === bin ? count + 1 : count)),
  };
}

function isSame(lease: PoolPicture["leases"][number], { job, stage }: EventOf<"returned">): boolean {
  return lease.job === clipped(job) && lease.stage === clipped(stage);
}

function plus(counters: Counters, more: Partial<Counters>): Counters {
  const sums: Record<string, number> = { ...counters };
  for (const [name, count] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + count;
  return { ...counters, ...sums };
}
