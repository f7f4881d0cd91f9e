import { POLICIES } from "#agent/vram/policy-table.ts";
import { budgetBytesOf, usedBytesOf } from "#agent/vram/pool-state.ts";
import { HEAVY } from "./pool-models.ts";
import { fineClock, openRealPool, type BenchModel, type ModelPlaces } from "./real-pool.ts";

/** Resident memory of the worker with no model loaded, after so many loads. */
interface MemoryPoint {
  readonly loads: number;
  readonly bytes: number;
}

export interface MemoryResult {
  readonly models: number;
  readonly loads: number;
  /** After the very first load, after the first of every model, and then at every step. */
  readonly points: readonly MemoryPoint[];
  /** |end − after the first round| / after the first round. */
  readonly returnRatio: number;
  /** Of the budget, at any event. */
  readonly peakRatio: number;
  /** Loads that failed, and workers that were replaced. */
  readonly failures: number;
}

export interface MemoryAsk {
  readonly folder: string;
  readonly places: ModelPlaces;
  readonly models: readonly BenchModel[];
  readonly loads: number;
  onProgress(line: string): void;
}

const STEP = 500;
const ROOM_FOR = 3;
const MODEL_BYTES = 1e8;
const TILE_PIXELS = 32 ** 2;

/** Uses small models by turns, more of them than fit: every use is a load, and as many models are released. */
export async function measureMemory(ask: MemoryAsk): Promise<MemoryResult> {
  const models = ask.models
    .filter(({ id }) => !HEAVY.has(id))
    .map(({ id }) => ({ id, bytes: MODEL_BYTES, tilePixels: TILE_PIXELS }));
  let loads = 0;
  let failures = 0;
  let peakRatio = 0;
  await using real = await openRealPool({
    ...ask,
    models,
    policy: POLICIES.lru,
    budgetBytes: MODEL_BYTES * ROOM_FOR,
    threads: 1,
    clock: fineClock,
    onEvent(event, state) {
      peakRatio = Math.max(peakRatio, usedBytesOf(state) / budgetBytesOf(state));
      if (event.kind !== "phase" || event.from !== "promoting") return;
      if (event.to === "hot") loads += 1;
      else failures += 1;
    },
  });
  const points: MemoryPoint[] = [];
  const look = async (): Promise<void> => {
    await real.pool.evictIdle();
    const bytes = await real.residentBytes();
    points.push({ loads, bytes });
    ask.onProgress(`${loads} loads: ${(bytes / 1e6).toFixed(1)} MB`);
  };
  for (let use = 0; loads < ask.loads; use += 1) {
    const { id } = models[use % models.length]!;
    await real.play({ job: `job_${use}`.padEnd(5, "_"), stage: id, model: id, activationBytes: 0 });
    if (use === 0 || use === models.length - 1 || loads % STEP === 0) await look();
  }
  if (points.at(-1)!.loads !== loads) await look();
  const first = points[1]!.bytes;
  return {
    models: models.length,
    loads,
    points,
    returnRatio: Math.abs(points.at(-1)!.bytes - first) / first,
    peakRatio,
    failures: failures + real.replacements(),
  };
}
