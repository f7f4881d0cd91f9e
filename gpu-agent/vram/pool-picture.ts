import { z } from "zod";
import type { Wait } from "./action.ts";
import { holdsMemory, type ModelPhase } from "./pool-state.ts";

/** What is kept: beyond it, the oldest goes. */
export const PICTURE_LIMITS = { models: 1_024, leases: 64, evictions: 20, recycles: 10, text: 200 } as const;
/** Grants are counted by how many jobs they overtook; the last count is of so many, or more. */
export const OVERTAKEN_MAX = 32;

const PHASES = [
  "cold",
  "warming",
  "warm",
  "promoting",
  "hot",
  "leased",
  "draining",
  "poisoned",
] as const satisfies readonly ModelPhase[];
const WAITS = [
  "leased",
  "loading",
  "draining",
  "poisoned",
  "demand",
] as const satisfies readonly Wait["until"][];

export const Phase = z.enum(PHASES);
export const WaitsFor = z.enum(WAITS);
export const Text = z.string().max(PICTURE_LIMITS.text);
/** Counts, bytes, and milliseconds since the epoch. */
export const Count = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

const ModelPicture = z
  .object({
    id: Text,
    phase: Phase,
    /** Since when it is in its phase. */
    sinceMs: Count,
    /** Of its session, apart from activations. */
    bytes: Count,
    isPinned: z.boolean(),
    /** Its loads failed too often of late. */
    isBarred: z.boolean(),
    uses: Count,
    loads: Count,
    /** What its last load took. */
    loadMs: Count.optional(),
    /** When the last of its loads ended that a stage may have waited for: something could have run at that moment. */
    awaitedUntilMs: Count.optional(),
    evicted: z.object({ atMs: Count, why: Text }).readonly().optional(),
  })
  .readonly();
export type ModelPicture = z.infer<typeof ModelPicture>;

const LeasePicture = z.object({ job: Text, stage: Text, model: Text, sinceMs: Count }).readonly();
const Eviction = z.object({ model: Text, atMs: Count, why: Text }).readonly();
const Recycle = z.object({ is: z.enum(["started", "done", "failed"]), atMs: Count, why: Text }).readonly();

const Counters = z
  .object({
    grants: Count,
    /** Grants that did not wait for a load. */
    hits: Count,
    loads: Count,
    loadMs: Count,
    failedLoads: Count,
    /** Loads begun before anybody waited for them. */
    prefetches: Count,
    /** Files read into memory ahead of their load. */
    readAheads: Count,
    /** Open sessions released, whatever for. */
    evictions: Count,
    /** Time in which nothing ran although a stage could have, had its model been loaded. */
    stallMs: Count,
    recycles: Count,
    rejected: Count,
  })
  .readonly();

/** What a pool looks like at one moment, and what it has done so far. Plain JSON; never changed, only replaced. */
export const PoolPicture = z
  .object({
    device: Text,
    startedMs: Count,
    /** The moment it shows. */
    atMs: Count,
    deviceBytes: Count,
    /** The part of it that is never planned with. */
    reserveBytes: Count,
    /** Sessions in every phase that holds memory, and activations. */
    usedBytes: Count,
    models: z.array(ModelPicture).max(PICTURE_LIMITS.models).readonly(),
    leases: z.array(LeasePicture).max(PICTURE_LIMITS.leases).readonly(),
    /** What must end before the pool can do more. */
    waitsFor: WaitsFor.optional(),
    /** The latest last. */
    evictions: z.array(Eviction).max(PICTURE_LIMITS.evictions).readonly(),
    recycles: z.array(Recycle).max(PICTURE_LIMITS.recycles).readonly(),
    counters: Counters,
    /** How many grants overtook so many earlier jobs: none, one, two … */
    overtaken: z
      .array(Count)
      .length(OVERTAKEN_MAX + 1)
      .readonly(),
  })
  .readonly();
export type PoolPicture = z.infer<typeof PoolPicture>;

/** Of a pool that has done nothing yet. */
export function emptyPicture(
  of: Pick<PoolPicture, "device" | "deviceBytes" | "reserveBytes" | "atMs">,
): PoolPicture {
  const { device, deviceBytes, reserveBytes, atMs } = of;
  return {
    device: clipped(device),
    deviceBytes,
    reserveBytes,
    startedMs: atMs,
    atMs,
    usedBytes: 0,
    models: [],
    leases: [],
    evictions: [],
    recycles: [],
    counters: {
      grants: 0,
      hits: 0,
      loads: 0,
      loadMs: 0,
      failedLoads: 0,
      prefetches: 0,
      readAheads: 0,
      evictions: 0,
      stallMs: 0,
      recycles: 0,
      rejected: 0,
    },
    overtaken: Array.from({ length: OVERTAKEN_MAX + 1 }, () => 0),
  };
}

const STALLING: ReadonlySet<Wait["until"]> = new Set(["loading", "draining", "poisoned"]);

/** Whether a stage could run, had its model been loaded, and nothing runs. */
export function isStalled(phases: Iterable<ModelPhase>, waitsFor: Wait["until"] | undefined): boolean {
  if (waitsFor === undefined || !STALLING.has(waitsFor)) return false;
  for (const phase of phases) if (phase === "leased") return false;
  return true;
}

/** Models whose session is open. */
export function loadedCountOf({ models }: PoolPicture): number {
  return models.filter(({ phase }) => phase === "hot" || phase === "leased").length;
}

/** Whether a change of phase is the release of an open session. */
export function isEviction(from: ModelPhase, to: ModelPhase): boolean {
  return from === "hot" && to === "draining";
}

/** Whether a change of phase is the end of a load, or of reading a file ahead, that came to nothing. */
export function isFailedLoad(from: ModelPhase, to: ModelPhase): boolean {
  if (from === "warming") return to === "cold";
  return from === "promoting" && holdsMemory(to) && to !== "hot";
}

/** No longer than the picture's schema allows. */
export function clipped(text: string): string {
  return text.length <= PICTURE_LIMITS.text ? text : `${text.slice(0, PICTURE_LIMITS.text - 1)}…`;
}
