import type { Log } from "#shared/log.ts";
import type { Clock } from "#shared/ports.ts";
import { loadedCountOf, OVERTAKEN_MAX, type PoolPicture } from "./pool-picture.ts";

const NAMESPACE = "PhotoKeep";
const EVERY_MS = 60_000;

const UNITS = {
  Grants: "Count",
  Hits: "Count",
  Loads: "Count",
  LoadMilliseconds: "Milliseconds",
  StallMilliseconds: "Milliseconds",
  Prefetches: "Count",
  Evictions: "Count",
  FailedLoads: "Count",
  Recycles: "Count",
  Rejected: "Count",
  Overtaken: "Count",
  UsedBytes: "Bytes",
  BudgetBytes: "Bytes",
  HotModels: "Count",
} as const;

/** One line in Amazon CloudWatch's embedded metric format; other fields may stand beside these. */
export type PoolMetrics = Readonly<Record<keyof typeof UNITS, number>> & {
  readonly Device: string;
  readonly _aws: {
    /** Milliseconds since the epoch. */
    readonly Timestamp: number;
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
    }[];
  };
};

/**
 * What a pool did between two pictures of it, and how full it is at the second. `Overtaken` is the largest number of
 * earlier jobs that a stage was started past, at most OVERTAKEN_MAX; `LoadMilliseconds` and `StallMilliseconds` are sums.
 * Format: "Embedded metric format specification", Amazon CloudWatch User Guide.
 */
export function poolMetrics(before: PoolPicture, after: PoolPicture): PoolMetrics {
  const grown = (name: keyof PoolPicture["counters"]): number => after.counters[name] - before.counters[name];
  const overtaken = after.overtaken.findLastIndex((count, nth) => count > before.overtaken[nth]!);
  return {
    _aws: {
      Timestamp: after.atMs,
      CloudWatchMetrics: [
        {
          Namespace: NAMESPACE,
          Dimensions: [["Device"]],
          Metrics: Object.entries(UNITS).map(([Name, Unit]) => ({ Name, Unit })),
        },
      ],
    },
    Device: after.device,
    Grants: grown("grants"),
    Hits: grown("hits"),
    Loads: grown("loads"),
    LoadMilliseconds: grown("loadMs"),
    StallMilliseconds: grown("stallMs"),
    Prefetches: grown("prefetches"),
    Evictions: grown("evictions"),
    FailedLoads: grown("failedLoads"),
    Recycles: grown("recycles"),
    Rejected: grown("rejected"),
    Overtaken: Math.min(OVERTAKEN_MAX, Math.max(0, overtaken)),
    UsedBytes: after.usedBytes,
    BudgetBytes: after.deviceBytes - after.reserveBytes,
    HotModels: loadedCountOf(after),
  };
}

/** Logs a pool's metrics every minute, and at the end what has happened since. */
export function reportPoolMetrics(ask: {
  readonly clock: Clock;
  readonly log: Log;
  picture(): PoolPicture;
}): AsyncDisposable {
  const { clock, log } = ask;
  const closing = new AbortController();
  let last = ask.picture();

  function report(): void {
    const picture = ask.picture();
    log.info("pool-metrics", poolMetrics(last, picture));
    last = picture;
  }

  async function live(): Promise<void> {
    while (!closing.signal.aborted) {
      await clock.sleep(EVERY_MS, closing.signal).catch(() => undefined);
      report();
    }
  }

  const living = live();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await living;
    },
  };
}
