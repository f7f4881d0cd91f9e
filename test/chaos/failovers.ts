/**
 * How long it takes until work goes on elsewhere. One definition for all faults: from the instant of the fault (SIGKILL
 * or SIGSTOP of an agent, of its worker, of the control plane above it) to `startedAt` of the stage's next lease, as the
 * store has it. A stage whose agent finished it after all, because the call was on its way or the agent woke up in time,
 * has no failover and is counted apart.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { HeldLease } from "./crash-points.ts";
import type { StoredLeases } from "./stored-leases.ts";

export type FailoverCause = "agent_killed" | "agent_stopped" | "worker_killed" | "control_killed";

export interface Failovers {
  /** Watches a stage that lost its owner. */
  watch(lease: HeldLease, at: number, cause: FailoverCause): void;
  /** Resolves when nothing is watched any more, or after `ms`. */
  settle(ms: number): Promise<void>;
  figures(): Readonly<Record<string, unknown>>;
}

const LOOK_MS = 200;

interface Watched extends HeldLease {
  readonly at: number;
  readonly cause: FailoverCause;
}

export function watchFailovers(leases: StoredLeases, signal: AbortSignal): Failovers {
  const watched = new Set<Watched>();
  const seconds = new Map<FailoverCause, number[]>();
  let finished = 0;

  async function look(each: Watched): Promise<void> {
    const stage = await leases.stage(each.job, each.stage);
    if (stage === undefined) return;
    if (stage.epoch > each.epoch && stage.startedAt !== undefined) {
      watched.delete(each);
      const took = Math.max(0, stage.startedAt - each.at) / 1_000;
      seconds.set(each.cause, [...(seconds.get(each.cause) ?? []), took]);
    } else if (stage.epoch === each.epoch && stage.status !== "leased" && stage.status !== "ready") {
      watched.delete(each);
      finished += 1;
    }
  }

  void (async () => {
    while (!signal.aborted) {
      // The database is the stack's: what it cannot answer now it answers at the next look.
      for (const each of watched) await look(each).catch(() => undefined);
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  })();

  return {
    watch: (lease, at, cause) => {
      const { job, stage, epoch } = lease;
      const known = [...watched].some(
        (each) => each.job === job && each.stage === stage && each.epoch === epoch,
      );
      if (!known) watched.add({ job, stage, epoch, at, cause });
    },
    async settle(ms) {
      const until = performance.now() + ms;
      while (watched.size > 0 && performance.now() < until) await sleep(LOOK_MS);
    },
    figures() {
      const all = [...seconds.values()].flat();
      const byCause = [...seconds].map(([cause, took]) => [cause, distribution(took)] as const);
      return {
        failovers: all.length,
        failover_p50_s: quantile(all, 0.5),
        failover_p99_s: quantile(all, 0.99),
        failover_max_s: quantile(all, 1),
        finished_anyway: finished,
        never_taken_over: watched.size,
        by_cause: Object.fromEntries(byCause),
      };
    },
  };
}

function distribution(took: readonly number[]) {
  return {
    n: took.length,
    p50_s: quantile(took, 0.5),
    p99_s: quantile(took, 0.99),
    max_s: quantile(took, 1),
  };
}

/** The smallest value that a share `q` of all does not exceed (nearest rank); null of none. */
export function quantile(values: readonly number[], q: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null;
}
