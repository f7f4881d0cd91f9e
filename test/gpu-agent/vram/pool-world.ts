import { createModelPool } from "#agent/vram/model-pool.ts";
import type { ModelPool } from "#agent/vram/pool-contract.ts";
import { POLICIES } from "#agent/vram/policy-table.ts";
import type { Policy } from "#agent/vram/policy.ts";
import type { PoolEvent } from "#agent/vram/pool-event.ts";
import type { StageAsk } from "#agent/vram/pool-queue.ts";
import { budgetBytesOf, usedBytesOf } from "#agent/vram/pool-state.ts";
import {
  createSimulatedDevice,
  type Mishap,
  type SimulatedDevice,
  type SimulatedRun,
} from "#agent/vram/simulated-device.ts";
import { createManualClock, type ManualClock } from "#shared/adapters/manual-clock.ts";
import { invariant } from "#shared/domain/fault.ts";

export interface WorldAsk {
  /** What each model really takes. */
  readonly models: Readonly<Record<string, number>>;
  /** What it is said to take; the truth, unless given. */
  readonly bytesOf?: (model: string) => number;
  /** What each release leaves behind. */
  readonly residueBytes?: number;
  readonly onEvent?: (event: PoolEvent) => void;
  readonly pinned?: readonly string[];
  readonly deviceBytes: number;
  readonly reserveBytes?: number;
  readonly executors?: number;
  readonly policy?: Policy;
  readonly slowMs?: number;
  readonly mishap?: (
    doing: "open" | "run" | "release" | "warm" | "recycle",
    model: string,
  ) => Mishap | undefined;
}

export interface PoolWorld {
  readonly pool: ModelPool<SimulatedRun, string>;
  readonly device: SimulatedDevice;
  readonly clock: ManualClock;
  /** "a cold→promoting", "granted a", "waiting draining", "recycle done": everything that happened, in order. */
  readonly story: string[];
  readonly events: PoolEvent[];
  /** Holds a model for one run of so long; resolves when it is given back. */
  use(ask: StageAsk, ms: number, signal?: AbortSignal): Promise<string>;
  /** @throws Error where a promise of the pool is broken. */
  check(): void;
}

/** A pool on a simulated device, whose promises are checked after every single thing that happens. */
export function createPoolWorld(ask: WorldAsk): PoolWorld {
  const clock = createManualClock();
  const { residueBytes = 0 } = ask;
  const ids = Object.keys(ask.models);
  const device = createSimulatedDevice({
    clock,
    models: ids.map((id) => ({ id, bytes: ask.models[id]!, residueBytes, openMs: 100, warmMs: 400 })),
    deviceBytes: ask.deviceBytes,
    releaseMs: 700,
    slowMs: ask.slowMs ?? 5_000,
    recycleMs: 300,
    mishap: ask.mishap ?? (() => undefined),
  });
  const events: PoolEvent[] = [];
  const story: string[] = [];
  const leases = new Map<string, number>();

  let broken: unknown;

  function check(): void {
    if (broken !== undefined) throw broken;
    invariant(device.seen.overflows === 0, "never more is asked of the device than it has");
    for (const id of ids) invariant(device.sessionsOf(id) <= 1, `at most one session of ${id}`);
    const state = pool.state();
    invariant(usedBytesOf(state) <= budgetBytesOf(state), "never more is planned than the budget");
    invariant(state.models.filter(({ phase }) => phase === "promoting").length <= 1, "one load at a time");
    for (const { id, phase } of state.models)
      invariant(phase === "leased" || phase === "poisoned" || !leases.get(id), `${id} is held and ${phase}`);
  }

  function hear(event: PoolEvent): void {
    events.push(event);
    ask.onEvent?.(event);
    story.push(wordsOf(event));
    if (event.kind === "granted") leases.set(event.model, (leases.get(event.model) ?? 0) + 1);
    if (event.kind === "returned") leases.set(event.model, leases.get(event.model)! - 1);
    // Kept for whoever drives this world: the pool is not there to be told.
    try {
      if (event.kind === "phase" && event.to === "draining")
        invariant(!leases.get(event.model), "what is held is not evicted");
      check();
    } catch (error) {
      broken ??= error;
    }
  }

  const pool: ModelPool<SimulatedRun, string> = createModelPool({
    device,
    models: ids.map((id) => ({
      id,
      isPinned: ask.pinned?.includes(id) ?? false,
      fileBytes: ask.models[id]!,
    })),
    policy: ask.policy ?? POLICIES.lookahead,
    deviceBytes: ask.deviceBytes,
    reserveBytes: ask.reserveBytes ?? 0,
    warmBytesMax: ask.deviceBytes * 2,
    executors: ask.executors ?? 1,
    clock,
    times: { pollMs: 250 },
    bytesOf: ask.bytesOf ?? ((id) => ask.models[id]!),
    loadMsOf: () => ({ warmMs: 100, coldMs: 500 }),
    onEvent: hear,
  });

  return {
    pool,
    device,
    clock,
    story,
    events,
    check,
    async use(stage, ms, signal = new AbortController().signal) {
      await using lease = await pool.take(stage, signal);
      const { activationBytes } = stage;
      const { answer } = await lease.run({ activationBytes, ms }, signal);
      return answer;
    },
  };
}

/** A stage of a job of its own. */
export function stageOf(model: string, rest: Partial<StageAsk> = {}): StageAsk {
  return { job: `of ${model}`, stage: "s0", model, activationBytes: 0, ...rest };
}

function wordsOf(event: PoolEvent): string {
  switch (event.kind) {
    case "phase":
      return `${event.model} ${event.from}→${event.to}`;
    case "measured":
      return `${event.what} of ${event.model}: ${event.bytes}`;
    case "waiting":
      return `waiting ${event.until}`;
    case "recycle":
      return `recycle ${event.is}`;
    case "granted":
    case "returned":
    case "rejected":
      return `${event.kind} ${event.model}`;
  }
}
