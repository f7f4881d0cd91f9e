/** The checks that look at whoever does the work, beside the items that the checker sees. */
import type { Job } from "#shared/domain/job.ts";
import type { Stage } from "#shared/domain/stage.ts";
import type { StandingAgent } from "./agent-place.ts";
import { createHeldCheck, type HeldRun } from "./check-held.ts";
import { createLeaseCheck } from "./check-leases.ts";
import { createRunsCheck } from "./check-runs.ts";
import { createWaitingCheck } from "./check-waiting.ts";
import type { Checker } from "./checker.ts";
import type { Rates } from "./profile.ts";
import type { Change } from "./store-engine.ts";

export interface Checks {
  /** Any item was stored. */
  stored(change: Change): void;
  /** A failed or released try was accepted from its holder. */
  reported(run: HeldRun): void;
  /** To be called every few seconds. */
  look(): void;
}

/** An instance whose clock is off by more follows the store's. */
const CORRECTED_SKEW_MS = 3_000;

export function createChecks(parts: {
  readonly checker: Checker;
  readonly now: () => number;
  readonly harm: Rates;
  readonly agents: () => readonly StandingAgent[];
  /** The last moment at which an engine was in trouble. */
  readonly troubleAt: () => number;
  /** The last moment at which a fault was done to the control plane or a sweeper. */
  readonly controlFaultAt: () => number;
  /** Whether a detector is there now that can be relied on for this stage. */
  readonly isSeen: (jobId: string, stage: Stage) => boolean;
}): Checks {
  const { harm, agents, controlFaultAt } = parts;
  const leases = createLeaseCheck(parts);
  const held = createHeldCheck({
    ...parts,
    faultAt: (id) =>
      Math.max(controlFaultAt(), agents().find((agent) => agent.id === id)?.process.faultAt ?? 0),
    skewMs: Math.min(CORRECTED_SKEW_MS, harm.controlSkewMs + Math.abs(harm.oneControlSkewMs)),
  });
  const runs = createRunsCheck({ ...parts, hasPauses: harm.agentPauses > 0 });
  const waiting = createWaitingCheck({
    ...parts,
    faultAt: () => Math.max(controlFaultAt(), ...agents().map(({ process }) => process.faultAt)),
  });
  return {
    stored(change) {
      const { sk } = change.key;
      if (sk === "JOB" || sk === "AGENT") held.stored(change);
      if (sk === "JOB" && change.after !== undefined)
        leases.stored(change.before?.body as Job | undefined, change.after.body as Job);
    },
    reported: held.reported,
    look() {
      waiting();
      leases.orphans();
      runs();
    },
  };
}
