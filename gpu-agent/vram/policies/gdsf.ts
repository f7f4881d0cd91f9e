import type { Policy } from "../policy.ts";

/**
 * GreedyDual-Size-Frequency: evicts what is seldom used, quickly reloaded and large, ageing with every eviction
 * (Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Labs 1998).
 */
export const gdsf: Policy = {
  worth: (model, { state }) => state.history.priority[model]!,
  mayDisplace: undefined,
  overtakesMax: 0,
};
