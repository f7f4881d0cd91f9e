import { previousUses, type RequestOrder } from "./request-order.ts";

/** How far the next use is, the model's size and its reload: the most is evicted first. */
export type OfflineRule = (of: {
  readonly distance: number;
  readonly gigabytes: number;
  readonly seconds: number;
}) => number;

/** Belady 1966: what is needed last goes first. Optimal where all sizes and costs are alike. */
export const furthestUse: OfflineRule = ({ distance }) => distance;
/** The same, with size and cost. */
export const cheapestWait: OfflineRule = ({ distance, gigabytes, seconds }) =>
  (distance * gigabytes) / seconds;

/** Loads on demand and evicts by a rule that knows the whole future. */
export function runOffline(order: RequestOrder, rule: OfflineRule): { loads: number; seconds: number } {
  const { uses, gigabytes, firstSeconds, againSeconds, budgetGigabytes } = order;
  const next = new Float64Array(uses.length).fill(Infinity);
  const previous = previousUses(uses);
  previous.forEach((before, at) => {
    if (before >= 0) next[before] = at;
  });
  /** By model, the place of its next use. */
  const resident = new Map<number, number>();
  let used = 0;
  let loads = 0;
  let seconds = 0;
  uses.forEach((model, at) => {
    if (!resident.has(model)) {
      loads += 1;
      seconds += previous[at] === -1 ? firstSeconds[model]! : againSeconds[model]!;
      while (used + gigabytes[model]! > budgetGigabytes + 1e-9) {
        const victim = mostOf(resident.keys(), (other) =>
          rule({
            distance: Math.min(resident.get(other)!, 1e9) - at,
            gigabytes: gigabytes[other]!,
            seconds: againSeconds[other]!,
          }),
        );
        resident.delete(victim);
        used -= gigabytes[victim]!;
      }
      used += gigabytes[model]!;
    }
    resident.set(model, next[at]!);
  });
  return { loads, seconds };
}

function mostOf(models: Iterable<number>, score: (model: number) => number): number {
  let most = -1;
  let best = -Infinity;
  for (const model of models) {
    const mine = score(model);
    if (mine <= best) continue;
    most = model;
    best = mine;
  }
  return most;
}
