/** Special runs by name, each with figures of its own. */
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

export type ScenarioName = "store-outage" | "skew" | "drain";

const BACKLOG = 100_000;
const OUTAGE_MS = 172 * 60_000;
const BELLS_MAX = 20;
const SKEW_MS = 30_000;
const DRAIN_MS_MAX = 5_000;
const DRAINS_MIN = 100;

export const SCENARIOS: Readonly<Record<ScenarioName, (ask: ScenarioAsk) => Promise<ScenarioResult>>> = {
  "store-outage": storeOutage,
  skew: skewedControl,
  drain,
};

/** The store answers nobody for 172 minutes while a backlog waits: nothing is lost, and nobody is trampled. */
async function storeOutage({ seed, jobs = BACKLOG, say }: ScenarioAsk): Promise<ScenarioResult> {
  say(`${jobs} jobs wait, the store is down for 172 minutes`);
  const outcome = await simulate({
    seed,
    profile: "calm",
    jobs,
    shape: {
      agents: 40,
      slotsMax: 3,
      orgs: 20,
      arrivalMs: 5,
      stageMs: [500, 3_000],
      settles: "never",
      drawsMoney: false,
    },
    rates: { ...NO_FAULTS, longStoreOutageMs: OUTAGE_MS },
  });
  tell(outcome, say);
  const { lost, infra, bellsSent, claimMsSteady, claimMsAfter } = outcome;
  const figures = {
    jobs: outcome.jobs,
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
  const ask = { seed, profile: "calm", jobs } as const;
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
