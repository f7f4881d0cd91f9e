import type { Leases } from "./leases.ts";
import type { ModelPoolOptions } from "./pool-contract.ts";
import type { ModelState, PoolState } from "./pool-state.ts";
import type { Residents } from "./residents.ts";
import type { UseHistory } from "./use-history.ts";

/** What a pool is made of. */
interface PoolParts<Work, Answer> {
  readonly residents: Residents<Work, Answer>;
  readonly leases: Leases<Work, Answer>;
  readonly history: UseHistory;
}

/** The pool at this moment, as the planner sees it; what depends on time is judged here. */
export function readPool<Work, Answer>(
  options: ModelPoolOptions<Work, Answer>,
  { residents, leases, history }: PoolParts<Work, Answer>,
): PoolState {
  const { bytesOf, deviceBytes, reserveBytes } = options;
  const now = options.clock.now();
  const models = residents.all.map(({ id, phase, failedLoads }, place): ModelState => {
    const { isPinned, fileBytes } = options.models[place]!;
    const { warmMs, coldMs } = options.loadMsOf(id);
    const reloadMs = phase === "cold" || phase === "warming" ? coldMs : warmMs;
    const isBarred = failedLoads.isBarred(now);
    return { id, phase, bytes: bytesOf(id), fileBytes, reloadMs, isPinned, isBarred };
  });
  // What is loaded has its file in memory as well.
  const inMemory = models.filter(({ phase }) => phase !== "cold");
  return {
    models,
    deviceBytes,
    reserveBytes,
    activationBytes: leases.reservedBytes(),
    warmFreeBytes: inMemory.reduce((free, { fileBytes }) => free - fileBytes, options.warmBytesMax),
    isIdle: leases.asks().length < options.executors,
    history,
  };
}
