import type { UseHistory } from "./use-history.ts";

/**
 * Where a model is.
 * - `cold`: its prepared file is on disk, or in the blob store.
 * - `warming`: the file is being read into memory.
 * - `warm`: the file's pages are resident (page cache or tmpfs).
 * - `promoting`: its session is being opened; its memory counts from the start.
 * - `hot`: its session is open and nobody holds it.
 * - `leased`: a stage holds it.
 * - `draining`: its session is being released; its memory counts until it has really come back.
 * - `poisoned`: its session must not be used again; its memory counts until the worker is replaced.
 */
export type ModelPhase =
  | "cold"
  | "warming"
  | "warm"
  | "promoting"
  | "hot"
  | "leased"
  | "draining"
  | "poisoned";

/** One model, as the planner sees it. */
export interface ModelState {
  readonly id: string;
  readonly phase: ModelPhase;
  /** Memory of its session apart from activations: the larger of declared and measured. */
  readonly bytes: number;
  /** Of its prepared file, in the memory of the machine: as long as it is not cold. */
  readonly fileBytes: number;
  /** What loading it would take from where it is (while it is loaded: from warm), milliseconds. */
  readonly reloadMs: number;
  /** Never evicted, and its memory is kept free for it even while it is not loaded. */
  readonly isPinned: boolean;
  /** Its loads failed too often of late: its stages are rejected until the pool, which has the clock, lifts this. */
  readonly isBarred: boolean;
}

/** Everything about the device that a decision rests on. No clock: what depends on time, the pool has already judged. */
export interface PoolState {
  /** The planner refers to models by their place in this list. */
  readonly models: readonly ModelState[];
  /** The device's memory for this agent. */
  readonly deviceBytes: number;
  /** The part of it that is never planned with: the runtime's own, fragmentation, other processes. */
  readonly reserveBytes: number;
  /** What the stages that run now have reserved for activations, by their tile sizes. */
  readonly activationBytes: number;
  /** Memory of the machine, not of the device, that prepared files may still be read into; negative when they take too much. */
  readonly warmFreeBytes: number;
  /** Whether a stage may be started now. */
  readonly isIdle: boolean;
  readonly history: UseHistory;
}

/** Whether a model in this phase takes device memory. */
export function holdsMemory(phase: ModelPhase): boolean {
  return phase !== "cold" && phase !== "warming" && phase !== "warm";
}

/** Whether a stage can be started on it at once. */
export function isUsable(phase: ModelPhase): phase is "hot" | "leased" {
  return phase === "hot" || phase === "leased";
}

/** What may be planned with, bytes. */
export function budgetBytesOf({ deviceBytes, reserveBytes }: PoolState): number {
  return deviceBytes - reserveBytes;
}

/** Device memory taken or promised now: sessions in every phase that holds memory, and activations. */
export function usedBytesOf({ models, activationBytes }: PoolState): number {
  let used = activationBytes;
  for (const { phase, bytes } of models) if (holdsMemory(phase)) used += bytes;
  return used;
}

/** Memory that is on its way back. */
export function drainingBytesOf({ models }: PoolState): number {
  let draining = 0;
  for (const { phase, bytes } of models) if (phase === "draining") draining += bytes;
  return draining;
}

/** Whether a model is in this phase. */
export function isAny({ models }: PoolState, wanted: ModelPhase): boolean {
  for (const { phase } of models) if (phase === wanted) return true;
  return false;
}
