import type { PoolEvent } from "./pool-event.ts";

/** What loading a model takes, milliseconds. */
export interface LoadTimes {
  /** @param fileBytes to guess by, where it was never measured. */
  of(model: string, fileBytes: number): { readonly warmMs: number; readonly coldMs: number };
  hear(event: PoolEvent): void;
}

/** Weight of the newest measurement. */
const NEWEST = 0.5;
/** The guess: a session from mapped pages costs little more than its graph; a disk reads 200 MB a second. */
const WARM_MS = 20;
const WARM_BYTES_PER_MS = 1e6;
const COLD_BYTES_PER_MS = 2e5;

/** Learns from the pool's events how long loads take, from memory and from disk. */
export function createLoadTimes(now: () => number): LoadTimes {
  const begun = new Map<string, { readonly at: number; readonly isCold: boolean }>();
  const warm = new Map<string, number>();
  const cold = new Map<string, number>();
  return {
    of(model, fileBytes) {
      const warmMs = warm.get(model) ?? WARM_MS + fileBytes / WARM_BYTES_PER_MS;
      return { warmMs, coldMs: cold.get(model) ?? warmMs + fileBytes / COLD_BYTES_PER_MS };
    },
    hear(event) {
      if (event.kind !== "phase") return;
      const { model, from, to } = event;
      if (to === "promoting") begun.set(model, { at: now(), isCold: from === "cold" });
      if (from !== "promoting") return;
      const load = begun.get(model);
      begun.delete(model);
      if (load === undefined || to !== "hot") return;
      const times = load.isCold ? cold : warm;
      const ms = now() - load.at;
      times.set(model, (1 - NEWEST) * (times.get(model) ?? ms) + NEWEST * ms);
    },
  };
}
