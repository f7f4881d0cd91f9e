import type { Draws } from "./draws.ts";
import type { CallFault, FaultPlan, Target } from "./network.ts";
import type { Rates } from "./profile.ts";

/** Faults at the rates of the seed. Customers meet no more than what is theirs: they neither crash nor are cut off. */
export function chancePlan(draws: Draws, rates: () => Rates): FaultPlan {
  return {
    delayMs: () => draws.decades(500, 20_000),
    next(caller, target) {
      const now = rates();
      const roll = draws.unit();
      let sum = now.callsLostBefore;
      if (roll < sum) return "fail-before";
      if (roll < (sum += now.callsLostAfter)) return "fail-after";
      if (roll < (sum += now.callsDelayed)) return "delay";
      if (target === "control" && roll < (sum += now.callsDoubled)) return "double";
      if (caller.kind === "customer") return undefined;
      if (roll < (sum += now.callsCrashBefore)) return "crash-before";
      if (roll < (sum += now.callsCrashAfter)) return "crash-after";
      return undefined;
    },
  };
}

/** One call of a run, as it was made. */
export interface RecordedCall {
  readonly caller: string;
  readonly target: Target;
  readonly op: string;
}

/** A call that was late by so much outlives a lease. */
const DELAY_MS = 45_000;

/** Does these faults at these calls of the control plane and the agents, counted from 0, and records them all. */
export function scriptedPlan(
  at: ReadonlyMap<number, CallFault>,
): FaultPlan & { readonly calls: readonly RecordedCall[] } {
  const calls: RecordedCall[] = [];
  return {
    calls,
    delayMs: () => DELAY_MS,
    next(caller, target, op) {
      if (caller.kind !== "control" && caller.kind !== "agent") return undefined;
      calls.push({ caller: caller.name, target, op });
      return at.get(calls.length - 1);
    },
  };
}
