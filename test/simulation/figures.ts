/** What many seeds come to. */
import { createHash } from "node:crypto";
import { spreadOf } from "../measures/durations.ts";
import { EXCUSES, type Excuse } from "./failover.ts";
import { RARE_PATHS, type RarePath } from "./sometimes.ts";
import type { Outcome } from "./simulation.ts";

/** The last line of a run. */
interface Figures {
  readonly seeds: number;
  readonly jobs: number;
  readonly lost: number;
  readonly innocent_poisoned: number;
  readonly innocent_infra_ratio: number;
  readonly doubled: number;
  /** Jobs, and days of a subscription, billed for something else than what was done. */
  readonly misbilled: number;
  readonly breaches: number;
  readonly jobs_per_s: number;
  readonly failover_p50_s: number;
  readonly failover_p99_s: number;
  readonly failover_max_s: number;
  readonly failovers: number;
  readonly wasted_ratio: number;
  readonly trace_hash: string;
}

export interface Tally {
  add(outcome: Outcome): void;
  figures(seconds: number): Figures;
  /** Rare paths that were never taken. */
  untaken(): readonly RarePath[];
  /** Lines for people. */
  table(): string;
}

/** Breaches that mean that something was accepted twice. */
const DOUBLED = new Set([2, 6]);

export function createTally(): Tally {
  const hashes = new Map<number, string>();
  const failovers: number[] = [];
  const excused = Object.fromEntries(EXCUSES.map((excuse) => [excuse, []])) as unknown as Record<
    Excuse,
    number[]
  >;
  const paths = Object.fromEntries(RARE_PATHS.map((path) => [path, 0])) as Record<RarePath, number>;
  const codes: Record<string, number> = {};
  const sums = {
    jobs: 0,
    misbilled: 0,
    lost: 0,
    innocentPoisoned: 0,
    infra: 0,
    succeeded: 0,
    canceled: 0,
    failed: 0,
    expired: 0,
    wastedSeconds: 0,
    workSeconds: 0,
    bellsSent: 0,
    events: 0,
    virtualMs: 0,
  };
  let doubled = 0;
  let breaches = 0;

  return {
    add(outcome) {
      hashes.set(outcome.seed, outcome.hash);
      for (const { ms, excuse } of outcome.takeovers)
        (excuse === undefined ? failovers : excused[excuse]).push(ms / 1_000);
      for (const path of RARE_PATHS) paths[path] += outcome.sometimes[path];
      for (const [code, count] of Object.entries(outcome.codes)) codes[code] = (codes[code] ?? 0) + count;
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += outcome[name];
      breaches += outcome.breaches.length;
      doubled += outcome.breaches.filter(({ invariant }) => DOUBLED.has(invariant)).length;
    },
    figures(seconds) {
      const { p50, p99, max } = spreadOf(failovers);
      const all = [...hashes].sort(([a], [b]) => a - b).map(([, hash]) => hash);
      return {
        seeds: hashes.size,
        jobs: sums.jobs,
        lost: sums.lost,
        innocent_poisoned: sums.innocentPoisoned,
        innocent_infra_ratio: sums.infra / Math.max(1, sums.jobs),
        doubled,
        misbilled: sums.misbilled,
        breaches,
        jobs_per_s: Math.round(sums.jobs / seconds),
        failover_p50_s: p50,
        failover_p99_s: p99,
        failover_max_s: max,
        failovers: failovers.length,
        wasted_ratio: sums.wastedSeconds / Math.max(1, sums.workSeconds),
        trace_hash: createHash("sha256").update(all.join()).digest("hex").slice(0, 16),
      };
    },
    untaken: () => RARE_PATHS.filter((path) => paths[path] === 0),
    table() {
      const line = (name: string, value: number | string): string =>
        `  ${name.padEnd(52)}${String(value).padStart(10)}`;
      const ends = (["succeeded", "canceled", "failed", "expired"] as const).map((name) =>
        line(name, sums[name]),
      );
      const failed = Object.entries(codes).map(([code, count]) => line(`  failed as ${code}`, count));
      return [
        "Ends of jobs",
        ...ends,
        ...failed,
        line("doorbells sent a job", tenths(sums.bellsSent / Math.max(1, sums.jobs))),
        line("takeovers that count as failovers", failovers.length),
        ...EXCUSES.map((excuse) => {
          const { p50, p99, max } = spreadOf(excused[excuse]);
          const spread = `   p50 ${tenths(p50)}, p99 ${tenths(p99)}, max ${tenths(max)} s`;
          return line(`  not counted, as ${excuse}`, excused[excuse].length) + spread;
        }),
        line("events", sums.events),
        line("hours of virtual time", tenths(sums.virtualMs / 3_600_000)),
        "Rare paths taken",
        ...RARE_PATHS.map((path) => line(path, paths[path])),
      ].join("\n");
    },
  };
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
