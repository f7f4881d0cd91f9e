import type { PoolEvent } from "#agent/vram/pool-event.ts";
import { quantileOf } from "../vram/measures.ts";

/** What the pool's events say of a model: how long it was opened, held and released; milliseconds each time. */
interface PhaseTimes {
  readonly load: number[];
  readonly run: number[];
  readonly release: number[];
}

export interface PhaseWatch {
  hear(event: PoolEvent): void;
  of(model: string): PhaseTimes;
}

export function watchPhases(now: () => number): PhaseWatch {
  const since = new Map<string, number>();
  const times = new Map<string, PhaseTimes>();
  const of = (model: string): PhaseTimes => {
    const known = times.get(model) ?? { load: [], run: [], release: [] };
    times.set(model, known);
    return known;
  };
  return {
    of,
    hear(event) {
      if (event.kind !== "phase") return;
      const { model, from, to } = event;
      const ms = now() - (since.get(model) ?? Number.NaN);
      since.set(model, now());
      if (from === "promoting" && to === "hot") of(model).load.push(ms);
      if (from === "leased" && to === "hot") of(model).run.push(ms);
      if (from === "draining" && to === "warm") of(model).release.push(ms);
    },
  };
}

/** @returns NaN of nothing. */
export function median(values: readonly number[]): number {
  return values.length === 0
    ? Number.NaN
    : quantileOf(
        values.toSorted((a, b) => a - b),
        0.5,
      );
}
