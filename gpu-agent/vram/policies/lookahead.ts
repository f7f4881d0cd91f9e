import type { PlanView, Policy } from "../policy.ts";

/**
 * What a prefetch displaces may cost this part of what it saves: fetched early, a model displaces more than in time,
 * when those used before it may go. A tenth keeps the loads near the optimum; more hides more of them and makes more.
 */
const DISPLACED_PART_MAX = 0.1;

/**
 * Evicts what none of the known stages needs, by GDSF; then what they need last (Belady). Prefetches what is needed
 * soonest where that costs little, and lets stages whose model is loaded go first.
 */
export const lookahead: Policy = {
  worth(model, { state, outlook }) {
    const use = outlook.nextUse[model]!;
    // Known uses lie above zero, GDSF's priorities below.
    return use < Infinity ? 1 / (1 + use) : -1 / (1 + state.history.priority[model]!);
  },
  mayDisplace({ model, victims }, view) {
    const cost = victims.reduce((sum, victim) => sum + lossOf(victim, view), 0);
    return cost <= DISPLACED_PART_MAX * lossOf(model, view);
  },
  // By count, not by age: under backlog every job is old, just when running what is loaded pays most.
  overtakesMax: 16,
};

/**
 * What being without a model costs: milliseconds of reload per stage until its next use. Where none is known, it is
 * taken to return after its usual gap, or the time it has been idle for if that is longer.
 */
function lossOf(model: number, { state, outlook }: PlanView): number {
  const { history, models } = state;
  const use = outlook.nextUse[model]!;
  const gap = Math.max(history.gap[model]!, history.steps - history.lastUse[model]!);
  return models[model]!.reloadMs / (1 + (use < Infinity ? use : outlook.length + gap));
}
