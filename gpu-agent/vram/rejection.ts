import type { Reject } from "./action.ts";
import type { Demand } from "./demand.ts";
import { budgetBytesOf, type PoolState } from "./pool-state.ts";

/** Jobs with a stage that cannot be run here: the first such stage of each, with what it needs and what there is. */
export function rejectsOf(state: PoolState, demand: Demand): readonly Reject[] {
  const { models } = state;
  let pinnedBytes = 0;
  for (const { isPinned, bytes } of models) if (isPinned) pinnedBytes += bytes;
  const unpinnedBytes = budgetBytesOf(state) - pinnedBytes;
  const rejects: Reject[] = [];
  for (const job of demand) {
    for (const stage of job.stages) {
      const { id: modelId, bytes, isPinned, isBarred } = models[stage.model]!;
      const needBytes = bytes + stage.activationBytes;
      const budgetBytes = isPinned ? unpinnedBytes + bytes : unpinnedBytes;
      const isTooLarge = needBytes > budgetBytes;
      if (!isTooLarge && !isBarred) continue;
      const reason = isTooLarge ? "too-large" : "barred";
      rejects.push({ kind: "reject", job, stage, reason, modelId, needBytes, budgetBytes });
      break;
    }
  }
  return rejects;
}
