import type { Policy } from "#agent/vram/policy.ts";
import { POLICIES } from "#agent/vram/policy-table.ts";
import { CYCLE_QUEUE, CYCLE_SLOTS, CYCLES } from "./adversarial-cycles.ts";
import { furthestUse, runOffline } from "./belady.ts";
import { hitRatio } from "./measures.ts";
import { fifoOrder } from "./request-order.ts";
import { simulate } from "./simulation.ts";

/** On demand, as Belady loads: what a prefetch fetches would count as a miss. */
const lookahead: Policy = { ...POLICIES.lookahead, mayDisplace: undefined };

/** Hit ratios on the cycles, and how often a job was overtaken at most. */
export function compareOnCycles(): { rows: string[][]; maxOvertaken: number } {
  let maxOvertaken = 0;
  const rows = CYCLES.map(({ name, workload }) => {
    const order = fifoOrder(workload, CYCLE_SLOTS);
    const hit = (policy: Policy): string => {
      const result = simulate(workload, { policy, budgetGigabytes: CYCLE_SLOTS, queueMax: CYCLE_QUEUE });
      maxOvertaken = Math.max(maxOvertaken, result.maxOvertaken);
      return hitRatio(result).toFixed(3);
    };
    const belady = 1 - runOffline(order, furthestUse).loads / order.uses.length;
    return [
      name,
      hit(POLICIES.lru),
      hit(POLICIES.gdsf),
      hit({ ...lookahead, overtakesMax: 0 }),
      belady.toFixed(3),
      hit(lookahead),
    ];
  });
  const head = ["cycle", "lru", "gdsf", "lookahead, in order", "Belady, in order", "lookahead"];
  return { rows: [head, ...rows], maxOvertaken };
}
