/**
 * How long it takes until work goes on elsewhere. One definition for all faults: from the instant of the fault (SIGKILL
 * or SIGSTOP of an agent, of its worker, of the control plane above it) to `startedAt` of the stage's next lease, as the
 * store has it. A stage whose agent finished it after all, because the call was on its way or the agent woke up in time,
 * has no failover and is counted apart. So are failovers that met a control plane standing still: nobody could have taken
 * the stage over meanwhile, and those of stages that had been lost before. A killed worker is no dead agent: its agent
 * lives, tells of it, and is counted by its cause only.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { spreadOf } from "../measures/durations.ts";
import type { HeldLease } from "./crash-points.ts";
import type { StoredLeases } from "./stored-leases.ts";

export type FailoverCause =
  /** Its machine told of it at once. */
  | "agent_killed"
  /** Nobody told of it. */
  | "agent_vanished"
  | "agent_stopped"
  | "worker_killed"
  | "control_killed";

export interface Failovers {
  /** Watches a stage that lost its owner. */
  watch(lease: HeldLease, at: number, cause: FailoverCause): void;
  /** The control plane stood still. Both of `Date.now()`. */
  outage(from: number, to: number): void;
  /** Resolves when nothing is watched any more, or after `ms`. */
  settle(ms: number): Promise<void>;
  figures(): Readonly<Record<string, unknown>>;
  /** Every single one, for a plot. */
  samples(): readonly unknown[];
}

const LOOK_MS = 200;

interface Watched extends HeldLease {
  readonly at: number;
  readonly cause: FailoverCause;
}

interface Failover {
  readonly cause: FailoverCause;
  readonly at: number;
  readonly seconds: number;
  /** How often its stage has lost its agent by now. */
  readonly lost: number;
}

/** From then on a stage waits longer and longer, and for an agent that takes nothing else: on purpose, and apart. */
const LOSSES_OF_CAUTION = 2;

export function watchFailovers(leases: StoredLeases, signal: AbortSignal): Failovers {
  const watched = new Set<Watched>();
  const done: Failover[] = [];
  const outages: { readonly from: number; readonly to: number }[] = [];
  let finished = 0;

  async function look(each: Watched): Promise<void> {
    const stage = await leases.stage(each.job, each.stage);
    if (stage === undefined) return;
    if (stage.epoch > each.epoch && stage.startedAt !== undefined) {
      watched.delete(each);
      const { cause, at } = each;
      const seconds = Math.max(0, stage.startedAt - at) / 1_000;
      done.push({ cause, at, seconds, lost: stage.tries?.lost ?? 0 });
    } else if (stage.epoch === each.epoch && stage.status !== "leased" && stage.status !== "ready") {
      watched.delete(each);
      finished += 1;
    }
  }

  const metOutage = ({ at, seconds }: Failover): boolean =>
    outages.some(({ from, to }) => from < at + seconds * 1_000 && at < to);

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
    outage: (from, to) => void outages.push({ from, to }),
    async settle(ms) {
      const until = performance.now() + ms;
      while (watched.size > 0 && performance.now() < until) await sleep(LOOK_MS);
    },
    figures() {
      const isCautious = ({ lost }: Failover): boolean => lost >= LOSSES_OF_CAUTION;
      const byCause = Map.groupBy(
        done.filter((each) => !metOutage(each) && !isCautious(each)),
        ({ cause }) => cause,
      );
      const ofAgents = [...byCause].flatMap(([cause, all]) => (cause === "worker_killed" ? [] : all));
      const { n, ...quantiles } = distribution(ofAgents);
      return {
        failovers: n,
        ...Object.fromEntries(Object.entries(quantiles).map(([name, value]) => [`failover_${name}`, value])),
        finished_anyway: finished,
        never_taken_over: watched.size,
        by_cause: Object.fromEntries([...byCause].map(([cause, all]) => [cause, distribution(all)])),
        while_control_stood_still: distribution(done.filter(metOutage)),
        lost_twice_before: distribution(done.filter((each) => isCautious(each) && !metOutage(each))),
      };
    },
    samples: () => done.map((each) => ({ ...each, outage: metOutage(each) })),
  };
}

function distribution(all: readonly Failover[]) {
  const { p50, p99, max } = spreadOf(all.map(({ seconds }) => seconds));
  return { n: all.length, p50_s: p50, p99_s: p99, max_s: max };
}
