/** The time after the last job has ended: from timer to timer, until nothing is left that the run is to wait for. */
import { DUE_CLASSES, duePartition } from "#shared/domain/job.ts";
import { INDEX_SHARDS } from "#shared/domain/limits.ts";
import type { Store } from "#shared/ports.ts";
import type { Shape } from "./profile.ts";
import type { Change, StoreEngine } from "./store-engine.ts";
import type { Loop } from "./virtual-time.ts";

const PAUSE_MS_MIN = 30_000;
const RETENTION = "DUE#retention#";

export interface Settling {
  readonly isOn: boolean;
  begin(): void;
  /** A job was stored. */
  stored(change: Change): void;
  hasTimer(jobId: string): boolean;
  /** How long the sweeper may sleep; undefined: nothing is left. */
  pauseMs(): number | undefined;
  /** The store as the sweeper sees it: what is not waited for is named by no index. */
  view(store: Store): Store;
}

export function createSettling(parts: {
  readonly loop: Loop;
  readonly store: StoreEngine;
  readonly settles: Shape["settles"];
}): Settling {
  const { loop, store, settles } = parts;
  const timed = new Set<string>();
  const waitsForBytes = settles === "retention";
  let isOn = false;

  function nextDue(): number | undefined {
    let next: number | undefined;
    for (const dueClass of DUE_CLASSES) {
      if (dueClass === "retention" && (!waitsForBytes || timed.size === 0)) continue;
      for (let shard = 0; shard < INDEX_SHARDS; shard++) {
        const [row] = store.nominate("due", duePartition(dueClass, shard), { limit: 1 }).rows;
        if (row === undefined) continue;
        next = Math.min(next ?? Infinity, Number(row.at.split("#", 1)[0]));
      }
    }
    return next;
  }

  return {
    get isOn() {
      return isOn;
    },
    begin: () => void (isOn = true),
    stored({ key, after }) {
      const id = key.pk.slice("JOB#".length);
      if (after?.indexes.due === undefined) timed.delete(id);
      else timed.add(id);
    },
    hasTimer: (id) => timed.has(id),
    pauseMs() {
      const next = nextDue();
      return next === undefined ? undefined : Math.max(PAUSE_MS_MIN, next + 1 - loop.now());
    },
    view: (real) => ({
      ...real,
      nominate: (index, pk, range) =>
        isOn && !waitsForBytes && pk.startsWith(RETENTION)
          ? Promise.resolve({ rows: [] })
          : real.nominate(index, pk, range),
    }),
  };
}
