/** Special runs by name, each with figures of its own. */
import { spreadOf } from "../measures/durations.ts";
import { simulate, type Outcome } from "./simulation.ts";
import { NO_FAULTS } from "./profile.ts";

export interface ScenarioAsk {
  readonly seed: number;
  readonly jobs?: number;
  say(line: string): void;
}

interface ScenarioResult {
  readonly figures: Readonly<Record<string, number>>;
  readonly isHeld: boolean;
}

export type ScenarioName = "failover" | "outages" | "store-outage" | "skew" | "drain";

const HOUR_MS = 3_600_000;
/** By the time the last comes some have been restored: a backlog of 100,000 is left. */
const BACKLOG = 104_000;
const ARRIVAL_MS = 1;
const OUTAGE_MS = 172 * 60_000;
const BELLS_MAX = 20;
const SKEW_MS = 30_000;
const DRAIN_MS_MAX = 5_000;
const DRAINS_MIN = 100;
const TAKEOVERS_MIN = 1_000;

export const SCENARIOS: Readonly<Record<ScenarioName, (ask: ScenarioAsk) => Promise<ScenarioResult>>> = {
  failover,
  outages,
  "store-outage": storeOutage,
  skew: skewedControl,
  drain,
};

/** Agents of a fleet with room to spare die, and either detector may be off: every takeover counts, whatever it waited for. */
async function failover({ seed, jobs = 4_000, say }: ScenarioAsk): Promise<ScenarioResult> {
  const ask = {
    seed,
    profile: "calm",
    jobs,
    onProgress: say,
    shape: { agents: 12, slotsMax: 2, stageMs: [8_000, 40_000], arrivalMs: 15_000, settles: "never" },
  } as const;
  const kills = { ...NO_FAULTS, agentKills: 240 };
  const both = await simulate({ ...ask, rates: kills });
  const bySweeper = await simulate({ ...ask, rates: { ...kills, redeliveryOff: 1 } });
  const byBell = await simulate({ ...ask, rates: { ...kills, sweeperOff: 1 } });
  for (const outcome of [both, bySweeper, byBell]) tell(outcome, say);
  const ofBoth = spread(both);
  const figures = {
    takeovers: both.takeovers.length,
    ...ofBoth,
    ...prefixed("sweeper_alone_", spread(bySweeper)),
    ...prefixed("redelivery_alone_", spread(byBell)),
    lost: both.lost + bySweeper.lost + byBell.lost,
    breaches: both.breaches.length + bySweeper.breaches.length + byBell.breaches.length,
  };
  const isHeld =
    figures.breaches === 0 &&
    both.takeovers.length >= TAKEOVERS_MIN &&
    ofBoth.p50_s <= 25 &&
    ofBoth.p99_s <= 60 &&
    ofBoth.max_s <= 300;
  return { figures, isHeld };
}

function spread({ takeovers }: Outcome) {
  const { p50, p99, max } = spreadOf(takeovers.map(({ ms }) => ms / 1_000));
  return { p50_s: p50, p99_s: p99, max_s: max };
}

function prefixed(prefix: string, figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${prefix}${name}`, value]));
}

/**
 * One engine after the other is away for longer than a job has: 40 hours the store, whose operator has then given every
 * job two days more, and the queue, without which work goes on by asking; 12 hours the blob store.
 */
async function outages({ seed, jobs = 150, say }: ScenarioAsk): Promise<ScenarioResult> {
  const shape = {
    agents: 3,
    slotsMax: 2,
    arrivalMs: 400,
    // By then most photographs have been sent, and few are done.
    longOutageAtMs: 300 * jobs,
    settles: "never",
    drawsMoney: false,
  } as const;
  const ask = { seed, profile: "calm", jobs, shape, onProgress: say } as const;
  const runs = [
    { graceMs: 48 * HOUR_MS, rates: { ...NO_FAULTS, longStoreOutageMs: 40 * HOUR_MS } },
    { rates: { ...NO_FAULTS, longQueueOutageMs: 40 * HOUR_MS } },
    { rates: { ...NO_FAULTS, longBlobOutageMs: 12 * HOUR_MS } },
  ];
  const figures = { jobs: 0, succeeded: 0, uploads_given_up: 0, lost: 0, failed: 0, breaches: 0 };
  for (const run of runs) {
    const outcome = await simulate({ ...ask, ...run });
    tell(outcome, say);
    say(`${outcome.succeeded} of ${outcome.jobs} succeeded, ${outcome.expired} were not uploaded in time`);
    figures.jobs += outcome.jobs;
    figures.succeeded += outcome.succeeded;
    figures.uploads_given_up += outcome.expired;
    figures.lost += outcome.lost;
    figures.failed += outcome.failed;
    figures.breaches += outcome.breaches.length;
  }
  return { figures, isHeld: figures.lost === 0 && figures.failed === 0 && figures.breaches === 0 };
}

/** The store answers nobody for 172 minutes while a backlog waits: nothing is lost, and nobody is trampled. */
async function storeOutage({ seed, jobs = BACKLOG, say }: ScenarioAsk): Promise<ScenarioResult> {
  say(`${jobs} jobs are sent, then the store is down for 172 minutes`);
  const outcome = await simulate({
    seed,
    profile: "calm",
    jobs,
    onProgress: say,
    shape: {
      agents: 40,
      slotsMax: 3,
      orgs: 20,
      arrivalMs: ARRIVAL_MS,
      readMs: [1, 10],
      stageMs: [500, 3_000],
      longOutageAtMs: jobs * ARRIVAL_MS + 10_000,
      settles: "never",
      drawsMoney: false,
    },
    rates: { ...NO_FAULTS, longStoreOutageMs: OUTAGE_MS },
  });
  tell(outcome, say);
  const { lost, infra, bellsSent, claimMsSteady, claimMsAfter } = outcome;
  const figures = {
    jobs: outcome.jobs,
    backlog: outcome.backlog,
    lost,
    infra,
    bells_per_job: round(bellsSent / outcome.jobs),
    claim_p99_ms_steady: round(claimMsSteady),
    claim_p99_ms_after: round(claimMsAfter),
    breaches: outcome.breaches.length,
  };
  const isHeld =
    outcome.breaches.length === 0 && figures.bells_per_job <= BELLS_MAX && claimMsAfter <= 2 * claimMsSteady;
  return { figures, isHeld };
}

/** One instance of the control plane is half a minute ahead, then behind: no innocent job fails of it. */
async function skewedControl({ seed, jobs = 2_000, say }: ScenarioAsk): Promise<ScenarioResult> {
  const ask = { seed, profile: "calm", jobs, onProgress: say } as const;
  const kills = { ...NO_FAULTS, agentKills: 60 };
  const straight = await simulate({ ...ask, rates: kills });
  const ahead = await simulate({ ...ask, rates: { ...kills, oneControlSkewMs: SKEW_MS } });
  const behind = await simulate({ ...ask, rates: { ...kills, oneControlSkewMs: -SKEW_MS } });
  for (const outcome of [straight, ahead, behind]) tell(outcome, say);
  const figures = {
    jobs: ahead.jobs + behind.jobs,
    lost: ahead.lost + behind.lost,
    failed: ahead.failed + behind.failed,
    takeovers_ahead: takeovers(ahead),
    takeovers_behind: takeovers(behind),
    takeovers_unskewed: takeovers(straight),
    breaches: ahead.breaches.length + behind.breaches.length,
  };
  const isHeld =
    figures.breaches === 0 &&
    figures.failed === 0 &&
    Math.max(figures.takeovers_ahead, figures.takeovers_behind) <= 1.5 * figures.takeovers_unskewed;
  return { figures, isHeld };
}

/** Agents are told to end: what they run is free again within seconds, and no agent counts as lost. */
async function drain({ seed, jobs = 1_500, say }: ScenarioAsk): Promise<ScenarioResult> {
  const outcome = await simulate({
    seed,
    profile: "calm",
    jobs,
    onProgress: say,
    shape: { agents: 8, slotsMax: 2, stageMs: [20_000, 60_000], arrivalMs: 4_000, faultsMs: 7_200_000 },
    rates: { ...NO_FAULTS, spotNotices: 90 },
  });
  tell(outcome, say);
  const { drainMs, lost } = outcome;
  const within = drainMs.filter((ms) => ms <= DRAIN_MS_MAX).length;
  const figures = {
    drains: drainMs.length,
    within_5_s: within,
    slowest_ms: round(Math.max(...drainMs)),
    counted_as_lost: takeovers(outcome),
    lost,
    breaches: outcome.breaches.length,
  };
  const isHeld =
    figures.breaches === 0 &&
    drainMs.length >= DRAINS_MIN &&
    within === drainMs.length &&
    figures.counted_as_lost === 0;
  return { figures, isHeld };
}

function takeovers({ sometimes }: Outcome): number {
  return (
    sometimes["takeover by the sweeper"] +
    sometimes["takeover by an agent with a bell"] +
    sometimes["takeover by a dead letter"]
  );
}

function tell({ breaches }: Outcome, say: (line: string) => void): void {
  for (const { invariant, what } of breaches.slice(0, 5)) say(`BREACH of ${invariant}: ${what}`);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
