import type { Policy } from "../policy.ts";

/** Evicts what was used longest ago; the baseline. */
export const lru: Policy = {
  worth: (model, { state }) => state.history.lastUse[model]!,
  mayDisplace: undefined,
  overtakesMax: 0,
};
