import type { Policy } from "#agent/vram/policy.ts";
import { POLICIES } from "#agent/vram/policy-table.ts";
import { furthestUse, runOffline } from "./belady.ts";
import { hitRatio } from "./measures.ts";
import { fifoOrder } from "./request-order.ts";
import { simulate } from "./simulation.ts";
import type { Workload } from "./workload.ts";

const SLOTS = 3;
/** Requests that are seen at once. */
const QUEUE = 32;

export interface Gentd26Comparison {
  readonly rows: readonly (readonly string[])[];
  readonly hit: number;
  readonly hitReordered: number;
  readonly maxOvertaken: number;
}

/** Hit ratios on the real trace, loading on demand as Belady does. */
export function compareOnGentd26(workload: Workload): Gentd26Comparison {
  const lookahead: Policy = { ...POLICIES.lookahead, mayDisplace: undefined };
  const run = (policy: Policy) => simulate(workload, { policy, budgetGigabytes: SLOTS, queueMax: QUEUE });
  const order = fifoOrder(workload, SLOTS);
  const belady = 1 - runOffline(order, furthestUse).loads / order.uses.length;
  const hit = hitRatio(run({ ...lookahead, overtakesMax: 0 }));
  const reordered = run(lookahead);
  const rows: [string, number][] = [
    ["lru", hitRatio(run(POLICIES.lru))],
    ["gdsf", hitRatio(run(POLICIES.gdsf))],
    ["lookahead, in order", hit],
    ["Belady, in order", belady],
    ["lookahead", hitRatio(reordered)],
  ];
  return {
    rows: [["policy", "hit"], ...rows.map(([name, ratio]) => [name, ratio.toFixed(4)])],
    hit,
    hitReordered: hitRatio(reordered),
    maxOvertaken: reordered.maxOvertaken,
  };
}
