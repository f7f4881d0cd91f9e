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

export type ScenarioName = "store-outage" | "skewed-control";

const BACKLOG = 100_000;
const OUTAGE_MS = 172 * 60_000;
const BELLS_MAX = 20;
const SKEW_MS = 30_000;

export const SCENARIOS: Readonly<Record<ScenarioName, (ask: ScenarioAsk) => Promise<ScenarioResult>>> = {
  "store-outage": storeOutage,
  "skewed-control": skewedControl,
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

/** Instances of the control plane whose clocks are wrong by up to half a minute: no innocent job fails of it. */
async function skewedControl({ seed, jobs = 2_000, say }: ScenarioAsk): Promise<ScenarioResult> {
  const ask = { seed, profile: "calm", jobs } as const;
  const kills = { ...NO_FAULTS, agentKills: 60 };
  const straight = await simulate({ ...ask, rates: kills });
  const skewed = await simulate({ ...ask, rates: { ...kills, controlSkewMs: SKEW_MS } });
  tell(skewed, say);
  const figures = {
    jobs: skewed.jobs,
    lost: skewed.lost,
    failed: skewed.failed,
    takeovers: takeovers(skewed),
    takeovers_unskewed: takeovers(straight),
    breaches: skewed.breaches.length,
  };
  const isHeld =
    skewed.breaches.length === 0 &&
    skewed.failed === 0 &&
    figures.takeovers <= 1.5 * figures.takeovers_unskewed;
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
