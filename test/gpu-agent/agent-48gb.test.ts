import { expect, test } from "vitest";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryQueue } from "#shared/adapters/memory-queue.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import { createLog } from "#shared/log.ts";
import { runSupervisor } from "#agent/supervisor.ts";
import type { PolicyName } from "#agent/vram/policy-table.ts";
import type { PoolEvent } from "#agent/vram/pool-event.ts";
import { budgetBytesOf, usedBytesOf, type PoolState } from "#agent/vram/pool-state.ts";
import { restorationMix } from "../bench/vram/restoration-mix.ts";
import { seededRandom } from "../chaos/seeded-random.ts";
import { checkBelief, openPooledWorld, settled, TILE_PIXELS } from "./pooled-world.ts";
import { createSimulatedJobs } from "./simulated-jobs.ts";
import type { Fate, Mishap, SimulatedWorker } from "./simulated-worker.ts";

const BUDGET_GIBIBYTES = 48;
const TILES = 4;
const DAY_MS = 86_400_000;

interface Life {
  /** Seconds that stages waited for their models. */
  readonly stallSeconds: number;
  readonly stages: number;
  /** Stages whose model was there when they asked for it. */
  readonly hits: number;
  readonly done: number;
  readonly failures: readonly string[];
  readonly seen: SimulatedWorker["seen"];
  readonly generations: number;
}

/** The whole agent with one slot: its supervisor, its pool, its worker on a simulated device of 48 GB, until all jobs have ended. */
async function live(ask: { jobs: number; seed: number; policy: PolicyName; fate?: Fate }): Promise<Life> {
  const work = restorationMix(ask);
  const clock = createManualClock();
  const secondsOf = new Map<string, number>();
  const waitedMs: number[] = [];
  const held = new Map<string, number>();
  let broken: unknown;

  function hear(event: PoolEvent, state: PoolState, process: SimulatedWorker): void {
    if (event.kind === "granted") {
      waitedMs.push(event.waitedMs);
    }
    if (event.kind === "granted") held.set(event.model, (held.get(event.model) ?? 0) + 1);
    if (event.kind === "returned") held.set(event.model, held.get(event.model)! - 1);
    // Kept for the end: the pool is not there to be told.
    try {
      invariant(process.seen.overflows === 0, "never more is asked of the device than it has");
      invariant(usedBytesOf(state) <= budgetBytesOf(state), "never more is planned than the budget");
      const leased = state.models.filter(({ phase }) => phase === "leased");
      invariant(leased.length <= 1, "one stage runs at a time");
      if (event.kind === "granted") checkBelief(process, state);
      if (event.kind === "phase" && event.to === "draining")
        invariant(!held.get(event.model), "what is held is not evicted");
    } catch (error) {
      broken ??= error;
    }
  }

  await using world = await openPooledWorld({
    clock,
    models: Object.fromEntries(work.models.map(({ id, gigabytes }) => [id, gigabytes])),
    fileOf(id) {
      const { warmSeconds, coldSeconds } = work.models.find((model) => model.id === id)!;
      const openMs = Math.round(warmSeconds * 1000);
      return { bytesPerPixel: 16_384, openMs, readMs: Math.round(coldSeconds * 1000) - openMs };
    },
    budgetGibibytes: BUDGET_GIBIBYTES,
    policy: ask.policy,
    hasSpare: true,
    tilesOf(lease, model, tilePixels) {
      const count = (TILES * TILE_PIXELS) / tilePixels;
      return { count, ms: (secondsOf.get(`${lease.job} ${model}`)! * 1000) / count };
    },
    ...(ask.fate === undefined ? {} : { fate: ask.fate }),
    onEvent: hear,
  });
  const jobs = createSimulatedJobs(clock.now);
  const entropy = seededEntropy(ask.seed);
  const queue = createMemoryQueue({ clock, entropy });
  const bugs: string[] = [];
  const log = createLog({ level: "error", now: clock.now, write: (line) => bugs.push(line) });
  const stop = new AbortController();
  const doors = { control: jobs.control, queue, workers: [world.worker], clock, entropy, log };
  const running = keepRunning();

  /** As whoever runs agents does: one that takes no more work, since its worker died too often, is started again. */
  async function keepRunning(): Promise<void> {
    while (!stop.signal.aborted) {
      await runSupervisor(doors, stop.signal).catch((error: unknown) => {
        if (!(error instanceof Fault) || error.code !== "agent_unhealthy") throw error;
      });
    }
  }

  const startedAt = clock.now();
  async function arrive(): Promise<void> {
    for (const [nth, { arrivesAt, stages }] of work.jobs.entries()) {
      await clock.sleep(startedAt + arrivesAt * 1000 - clock.now());
      const id = `job_${nth}`;
      for (const { model, runSeconds } of stages)
        secondsOf.set(`${id} ${work.models[model]!.id}`, runSeconds);
      jobs.add(
        id,
        stages.map(({ model }) => work.models[model]!.id),
      );
      await queue.send([{ body: JSON.stringify({ job: id }) }]);
    }
  }
  const arriving = arrive();
  while (jobs.ended().length < ask.jobs && clock.now() < startedAt + DAY_MS) await clock.advance(60_000);
  await arriving;
  // Time for what was under way, such as the end of a prefetch or a new worker.
  await clock.advance(120_000);
  checkBelief(world.process, world.state());
  if (broken !== undefined) throw broken;
  for (const [model, count] of held) invariant(count === 0, `the lease of ${model} came back`);
  invariant(
    world.state().models.every(({ phase }) => phase === "hot" || phase === "warm" || phase === "cold"),
    "what is not used is at rest",
  );
  stop.abort();
  await settled(clock, running);
  await running;
  expect(bugs.filter((line) => !line.includes("worker-died"))).toEqual([]);
  const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
  return {
    stallSeconds: sum(waitedMs) / 1000,
    stages: waitedMs.length,
    hits: waitedMs.filter((ms) => ms === 0).length,
    done: jobs.ended().filter(({ status }) => status === "done").length,
    failures: jobs.control.failures.map(({ failure }) => failure),
    seen: world.process.seen,
    generations: world.process.generation(),
  };
}

function seededEntropy(seed: number): (bytes: number) => Uint8Array {
  const random = seededRandom(seed);
  return (bytes) => Uint8Array.from({ length: bytes }, () => Math.floor(random() * 256));
}

/** What goes wrong, and how often in a thousand. */
const MISHAPS: Readonly<Record<string, readonly (readonly [Mishap, number])[]>> = {
  start: [["crash", 200]],
  open: [
    ["memory", 5],
    ["invalid", 5],
    ["crash", 10],
    ["hang", 3],
  ],
  release: [
    ["slow", 20],
    ["crash", 5],
    ["hang", 3],
  ],
  between: [["crash", 5]],
  tile: [
    ["memory", 10],
    ["crash", 3],
    ["hang", 1],
  ],
};

function seededFate(seed: number): { fate: Fate; happened: Map<string, number> } {
  const random = seededRandom(seed);
  const happened = new Map<string, number>();
  return {
    happened,
    fate(doing) {
      let draw = random() * 1_000;
      const what = MISHAPS[doing]!.find(([, share]) => (draw -= share) < 0)?.[0];
      if (what !== undefined) happened.set(`${doing} ${what}`, (happened.get(`${doing} ${what}`) ?? 0) + 1);
      return what;
    },
  };
}

test("an agent with 48 GB serves jobs of eighteen models up to 12 GB, and looking ahead hides most of their loads", async () => {
  const [lru, lookahead] = [
    await live({ jobs: 300, seed: 7, policy: "lru" }),
    await live({ jobs: 300, seed: 7, policy: "lookahead" }),
  ];
  for (const life of [lru, lookahead]) {
    expect(life).toMatchObject({ done: 300, failures: [], generations: 1 });
    expect(life.stages).toBe(lru.stages);
  }
  expect(lookahead.stallSeconds).toBeLessThan(lru.stallSeconds / 2);
  expect(lookahead.hits).toBeGreaterThan(lru.hits);
});

test.each([1, 2, 3])(
  "whatever happens to its worker, every job ends, and the pool believes what is (seed %i)",
  async (seed) => {
    const { fate, happened } = seededFate(seed);
    const life = await live({ jobs: 200, seed, policy: "lookahead", fate });
    expect(life.done).toBeGreaterThan(190);
    expect(life.generations).toBeGreaterThan(5);
    expect(happened.size).toBeGreaterThan(8);
    expect(life.failures).not.toContain("bug");
  },
);
