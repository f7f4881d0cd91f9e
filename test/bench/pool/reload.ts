import { dirname, join } from "node:path";
import { WEIGHTS_FILE } from "#agent/models/prepared-model.ts";
import { openModelStore } from "#agent/models/model-store.ts";
import { createPageCache } from "#agent/vram/page-cache.ts";
import { POLICIES } from "#agent/vram/policy-table.ts";
import type { ModelFile } from "#agent/worker/session.ts";
import { existsSync } from "node:fs";
import { makeChain } from "./chain-model.ts";
import { withLoopGap, type LoopGap } from "./loop-gap.ts";
import { median, watchPhases } from "./phase-times.ts";
import { fineClock, openRealPool, type BenchModel, type ModelPlaces, type RealPool } from "./real-pool.ts";

/** One way to load a model; seconds, medians. */
interface ReloadRow {
  readonly name: string;
  readonly loadSeconds: number;
  readonly firstSeconds: number;
  readonly steadySeconds: number;
  /** load + first run − steady run, files in the page cache. */
  readonly reloadSeconds: number;
  /** The same once, after the system was asked to drop the files' pages; absent where it does not do so. */
  readonly coldSeconds?: number;
}

/** How a large model's load is hidden behind the run of another; seconds, medians. */
interface PrefetchFigures {
  readonly runAloneSeconds: number;
  readonly runBesideLoadSeconds: number;
  readonly stallOnDemandSeconds: number;
  readonly stallPrefetchedSeconds: number;
}

export interface ReloadResult {
  readonly rows: readonly ReloadRow[];
  /** Prepared / plain. */
  readonly chainRatio: number;
  readonly rrdbRatio: number | undefined;
  readonly prefetch: PrefetchFigures | undefined;
  readonly gap: LoopGap;
}

export interface ReloadAsk {
  readonly folder: string;
  readonly places: ModelPlaces;
  readonly rounds: number;
  readonly threads: number;
  onProgress(line: string): void;
}

/** Names of the catalogue whose files are not here, borrowed for files that are not in the catalogue. */
const NAMES = { chainPlain: "hat-l-x4", chainPrepared: "scunet-psnr", rrdbPlain: "nafnet-reds" } as const;
const RRDB = "realesrgan-x4plus";
/** What runs while the RRDB is loaded: a run of about a second. */
const OTHER = "esrgan-thick";
const RRDB_TILE = 32 ** 2;
const OTHER_TILE = 128 ** 2;
/** The pool is only a way to the worker here: everything fits. */
const MODEL_BYTES = 1e9;
const STEADY_RUNS = 3;
/** Of the pages of a file that was asked out of memory, so many may be left. */
const COLD_RATIO_MAX = 0.05;
const never = new AbortController().signal;

interface Contender {
  readonly name: string;
  readonly id: string;
  readonly file: ModelFile;
}

/**
 * What bringing a model back costs, plain file against prepared file, by turns in the same worker: a chain of half a
 * gigabyte, and an RRDB where one is here.
 */
export async function measureReload(ask: ReloadAsk): Promise<ReloadResult> {
  const { folder, places, rounds, onProgress } = ask;
  onProgress("writing and preparing a chain of half a gigabyte");
  const chain = await makeChain(join(folder, "chain"));
  const rrdb = await rrdbFiles(places);
  const contenders: readonly Contender[] = [
    { name: "chain, 0.5 GB, plain file", id: NAMES.chainPlain, file: chain.plain },
    { name: "chain, 0.5 GB, prepared", id: NAMES.chainPrepared, file: chain.prepared },
    ...(rrdb === undefined
      ? []
      : [
          { name: `${RRDB}, plain file`, id: NAMES.rrdbPlain, file: rrdb.plain },
          { name: `${RRDB}, prepared`, id: RRDB, file: rrdb.prepared },
        ]),
  ];
  const models: BenchModel[] = [
    ...contenders.map(({ id }) => ({ id, tilePixels: RRDB_TILE })),
    { id: OTHER, tilePixels: OTHER_TILE },
  ].map((model) => ({ ...model, bytes: MODEL_BYTES }));
  const phases = watchPhases(() => fineClock.now());
  await using real = await openRealPool({
    ...ask,
    standIns: Object.fromEntries(contenders.map(({ id, file }) => [id, file])),
    models,
    policy: POLICIES.lookahead,
    budgetBytes: MODEL_BYTES * models.length,
    clock: fineClock,
    onEvent: (event) => phases.hear(event),
  });

  const reload = async ({ id }: Contender): Promise<Reload> => {
    const before = phases.of(id).load.length;
    const runs: number[] = [];
    {
      await using lease = await real.pool.take(
        { job: "reload", stage: id, model: id, activationBytes: 0 },
        never,
      );
      for (let nth = 0; nth <= STEADY_RUNS; nth += 1) runs.push(await real.run(lease, id));
    }
    await real.pool.evictIdle();
    const [first = Number.NaN, ...steady] = runs;
    return { load: phases.of(id).load[before]! / 1_000, first, steady: median(steady) };
  };

  const pages = createPageCache();
  const warm = new Map<string, Reload[]>(contenders.map(({ id }) => [id, []]));
  const { gap } = await withLoopGap(async () => {
    for (let round = 0; round <= rounds; round += 1) {
      for (const contender of contenders) {
        onProgress(
          `${contender.name}: ${round === 0 ? "once before it counts" : `reload ${round} of ${rounds}`}`,
        );
        await pages.readIn(filesOf(contender.file), never);
        const cost = await reload(contender);
        // The first of a process binds libraries and chooses kernels.
        if (round > 0) warm.get(contender.id)!.push(cost);
      }
    }
  });
  const rows: ReloadRow[] = [];
  for (const contender of contenders) {
    const costs = warm.get(contender.id)!;
    const of = (what: keyof Reload): number => median(costs.map((cost) => cost[what]));
    onProgress(`${contender.name}: with its pages dropped`);
    const isCold = await dropped(filesOf(contender.file));
    const cold = isCold ? await reload(contender) : undefined;
    rows.push({
      name: contender.name,
      loadSeconds: of("load"),
      firstSeconds: of("first"),
      steadySeconds: of("steady"),
      reloadSeconds: median(costs.map(reloadSeconds)),
      ...(cold === undefined ? {} : { coldSeconds: reloadSeconds(cold) }),
    });
  }
  const ratio = (plain: number, prepared: number): number =>
    rows[prepared]!.reloadSeconds / rows[plain]!.reloadSeconds;
  return {
    rows,
    chainRatio: ratio(0, 1),
    rrdbRatio: rrdb === undefined ? undefined : ratio(2, 3),
    prefetch: rrdb === undefined ? undefined : await measurePrefetch(real, { rounds, onProgress }),
    gap,
  };
}

/** Seconds. */
interface Reload {
  readonly load: number;
  readonly first: number;
  readonly steady: number;
}

function reloadSeconds({ load, first, steady }: Reload): number {
  return load + first - steady;
}

async function measurePrefetch(
  { pool, run, play }: RealPool,
  { rounds, onProgress }: Pick<ReloadAsk, "rounds" | "onProgress">,
): Promise<PrefetchFigures> {
  const alone: number[] = [];
  const beside: number[] = [];
  const onDemand: number[] = [];
  const prefetched: number[] = [];
  const ask = (model: string) => ({ job: "prefetch", stage: model, model, activationBytes: 0 });
  for (let round = 1; round <= rounds; round += 1) {
    onProgress(`${RRDB} behind ${OTHER}: round ${round} of ${rounds}`);
    await play(ask(OTHER));
    alone.push(await play(ask(OTHER)));
    onDemand.push(await waitFor());
    await pool.evictIdle();
    {
      await using lease = await pool.take(ask(OTHER), never);
      pool.expect([{ id: "prefetch", stages: [{ id: RRDB, model: RRDB, activationBytes: 0 }] }]);
      beside.push(await run(lease, OTHER));
    }
    prefetched.push(await waitFor());
    pool.expect([]);
    await pool.evictIdle();
  }
  return {
    runAloneSeconds: median(alone),
    runBesideLoadSeconds: median(beside),
    stallOnDemandSeconds: median(onDemand),
    stallPrefetchedSeconds: median(prefetched),
  };

  async function waitFor(): Promise<number> {
    await using lease = await pool.take(ask(RRDB), never);
    return lease.waitedMs / 1_000;
  }
}

async function rrdbFiles(
  places: ModelPlaces,
): Promise<{ plain: ModelFile; prepared: ModelFile } | undefined> {
  const store = openModelStore({ dir: places.modelsDir, extraDirs: places.extraModelDirs });
  if (!(await store.available()).some(({ id }) => id === RRDB)) return undefined;
  await store.prepare(RRDB);
  const { entry, path, prepared } = await store.locate(RRDB);
  return prepared === undefined
    ? undefined
    : { plain: { entry, path, isPrepared: false }, prepared: { entry, path: prepared, isPrepared: true } };
}

function filesOf({ path, isPrepared }: ModelFile): readonly string[] {
  const weights = join(dirname(path), WEIGHTS_FILE);
  return isPrepared && existsSync(weights) ? [path, weights] : [path];
}

/** Whether the files have really left the memory. */
async function dropped(files: readonly string[]): Promise<boolean> {
  const pages = createPageCache();
  await pages.letGo(files, never);
  const ratio = await pages.residentRatio(files, never);
  return ratio !== undefined && ratio <= COLD_RATIO_MAX;
}
