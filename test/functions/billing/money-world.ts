import { createOnce } from "#functions/api/idempotency.ts";
import { apply, jobItem, loadJob, type ApplyDoors } from "#functions/apply.ts";
import { takeTerms } from "#functions/billing/accept.ts";
import { prepareBatch, type BatchDoors } from "#functions/billing/batch-runner.ts";
import { handleMoney, isMoney, type MoneyDoors } from "#functions/billing/due.ts";
import { rateMonth } from "#functions/billing/rater.ts";
import { createMemoryStore } from "#shared/adapters/memory-store.ts";
import { FLEET } from "#shared/domain/budget.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import { Fault } from "#shared/domain/fault.ts";
import { newId } from "#shared/domain/id.ts";
import { duePartition, isTerminal, newJob, timeKey, type Job } from "#shared/domain/job.ts";
import { INDEX_SHARDS } from "#shared/domain/limits.ts";
import type { Batch } from "#shared/domain/money/batch.ts";
import type { PriceBook, Tier } from "#shared/domain/money/price.ts";
import type { RateClass } from "#shared/domain/money/terms.ts";
import { Options } from "#shared/domain/options.ts";
import { createLog } from "#shared/log.ts";
import type { Clock, Committed, Entropy, Item, Store, Write } from "#shared/ports.ts";
import type { MoneyWorld } from "../../simulation/money-checker.ts";

export const ORG = "org_1";
/** Ten days before the end of a month. */
export const START = Date.UTC(2026, 10, 20, 12);
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** Small tiers, so that a few jobs cross them. */
const tiers = (...micros: readonly number[]): Tier[] =>
  [6, 14, 30, Number.MAX_SAFE_INTEGER].map((unitsMax, i) => ({ unitsMax, micros: micros[i] ?? 0 }));
const versions = {
  p1: {
    currency: "usd",
    tiers: { priority: tiers(30, 25, 20, 10), standard: tiers(20, 15, 10, 5), flex: tiers(10, 7, 5, 2) },
  },
  p2: {
    currency: "usd",
    tiers: { priority: tiers(45, 35, 30, 20), standard: tiers(30, 25, 20, 15), flex: tiers(15, 12, 10, 7) },
  },
} as const satisfies PriceBook["versions"];

/** The price of the n-th unit, said again in the checker's way. */
function priceOf(version: string, rateClass: string, n: number): number {
  const found = versions[version as keyof typeof versions].tiers[rateClass as RateClass];
  return found.find(({ unitsMax }) => n <= unitsMax)?.micros ?? 0;
}

/** A generator of chance from a seed (mulberry32): evenly from 0 to 1. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What may happen at a call of the store before it is carried out; rejects or answers instead of it, or lets it be. */
interface StoreGate {
  readonly before?: (writes?: readonly Write[]) => Promise<Committed | undefined>;
  readonly after?: () => Promise<void>;
}

export interface MoneyWorldOptions {
  readonly draw?: () => number;
  readonly gate?: StoreGate;
  readonly sleep?: () => Promise<void>;
  readonly store?: (clock: Clock) => Store;
  readonly meter?: MoneyDoors["meter"];
  readonly deliver?: MoneyDoors["deliver"];
  /** Whether a line of a batch is invalid. */
  readonly isInvalid?: (line: number) => boolean;
}

export interface Money {
  readonly doors: ApplyDoors & MoneyDoors & BatchDoors;
  /** The store without gate. */
  readonly store: Store;
  /** Set it to move the time. */
  readonly clock: Clock & { at: number };
  readonly lines: string[];
  /** All items there are. */
  readonly items: () => Promise<Item[]>;
  /** Sets the version that new months are given. */
  readonly setPrices: (current: keyof typeof versions) => void;
}

/** Billing on one store, with a job's last stage running from the start, so that one event ends it. */
export function moneyWorld(options: MoneyWorldOptions = {}): Money {
  const { draw = chance(1), gate = {} } = options;
  const clock = {
    at: START,
    now: () => clock.at,
    sleep: options.sleep ?? (async () => undefined),
  };
  const store = (options.store ?? ((time) => createMemoryStore({ clock: time })))(clock);
  const keys = new Map<string, { pk: string; sk: string }>();
  const remember = (writes: readonly Write[]): void => {
    for (const write of writes) {
      const { pk, sk } = write.op === "put" ? write.item : write.key;
      keys.set(`${pk} ${sk}`, { pk, sk });
    }
  };
  const through = async <T>(call: () => Promise<T>): Promise<T> => {
    await gate.before?.();
    const answer = await call();
    await gate.after?.();
    return answer;
  };
  const gated: Store = {
    get: (key) => through(() => store.get(key)),
    list: (pk, range) => through(() => store.list(pk, range)),
    nominate: (index, pk, range) => through(() => store.nominate(index, pk, range)),
    async transact(writes, token) {
      const instead = await gate.before?.(writes);
      if (instead !== undefined) return instead;
      remember(writes);
      const committed = await store.transact(writes, token);
      await gate.after?.();
      return committed;
    },
  };
  const entropy: Entropy = (bytes) => Uint8Array.from({ length: bytes }, () => Math.floor(draw() * 256));
  const lines: string[] = [];
  const log = createLog({ level: "debug", write: (line) => lines.push(line), now: clock.now });
  const prices = { current: "p1" as keyof typeof versions, versions };
  const { isInvalid = () => false, meter, deliver } = options;
  const doors: Money["doors"] = {
    store: gated,
    clock,
    entropy,
    log,
    prices,
    policy: FLEET,
    perform: async () => undefined,
    readLines: async (batch, { from, count }) =>
      Array.from({ length: count }, (_, i) =>
        isInvalid(from + i)
          ? { invalid: "no photograph" }
          : { options: JOB_OPTIONS, input: inputOf(batch.id, from + i) },
      ),
    ...(meter === undefined ? {} : { meter }),
    ...(deliver === undefined ? {} : { deliver }),
  };
  return {
    doors,
    store,
    clock,
    lines,
    items: async () =>
      (await Promise.all([...keys.values()].map((key) => store.get(key)))).filter(
        (item) => item !== undefined,
      ),
    setPrices: (current) => {
      prices.current = current;
    },
  };
}

const JOB_OPTIONS = Options.parse({ retention_hours: 1 });
const inputOf = (batch: string, line: number) => ({
  key: `jobs/${batch}/${line}`,
  contentType: "image/jpeg",
  bytes: 1,
});
const AGENT = "agt_1";

export interface AcceptOf {
  readonly org?: string;
  readonly key?: string;
  readonly rateClass?: RateClass;
  readonly units?: number;
  readonly idempotencyKey?: string;
}

/** Accepts one job as the API does; its last stage is leased at once. @throws Fault as takeTerms. */
export async function accept({ doors, clock }: Money, of: AcceptOf = {}): Promise<Job> {
  const { org = ORG, rateClass = "standard", units = 4, key } = of;
  const ask = { org, key: of.idempotencyKey, call: { route: "test", body: of } };
  const { answer } = await createOnce(doors, ask, async () => {
    const now = clock.now();
    const id = newId("job", now, doors.entropy(10));
    const { terms, writes } = await takeTerms(doors, {
      org,
      rateClass,
      units,
      at: now,
      ...(key === undefined ? {} : { key }),
    });
    const input = { key: `jobs/${id}/input`, contentType: "image/jpeg", bytes: 1 };
    const job = nearlyDone(newJob({ id, org, options: JOB_OPTIONS, input, uploaded: true, terms }, now), now);
    return { writes: [{ op: "put", item: jobItem(job), when: "absent" }, ...writes], answer: job };
  });
  return answer;
}

/** The job as it is before the end of its last stage. */
function nearlyDone(job: Job, now: number): Job {
  job.status = "processing";
  job.intake = { status: "done", epoch: 1, tries: 1 };
  for (const stage of job.stages) {
    if (stage.kind !== "finish") stage.status = "skipped";
    else
      Object.assign(stage, {
        status: "leased",
        epoch: 1,
        agent: AGENT,
        claimId: "clm_1",
        startedAt: now,
        lookAt: now,
        hardDeadline: job.finishBy,
      });
  }
  return job;
}

/** Accepts a batch. @throws Fault as prepareBatch; busy `store_busy`. */
export async function acceptBatch(
  { doors, clock }: Money,
  of: { readonly lines: number } & Omit<AcceptOf, "idempotencyKey">,
): Promise<Batch> {
  const { org = ORG, rateClass = "standard", units = 4, ...rest } = of;
  const batch = newId("bat", clock.now(), doors.entropy(10));
  for (let tries = 0; tries < 9; tries++) {
    const ask = { ...rest, org, rateClass, units, batch, at: clock.now() };
    const prepared = await prepareBatch(doors, ask);
    if ((await doors.store.transact(prepared.writes)).ok) return prepared.batch;
  }
  throw new Fault("busy", "store_busy", "Too many tries.");
}

export type Ending = "succeeded" | "failed" | "canceled" | "late";

/** One event that ends the job, if it has not ended yet. @param megapixels of the result. */
export async function end(money: Money, id: string, how: Ending, megapixels = 100): Promise<Job> {
  return (await apply(money.doors, id, eventOf(how, megapixels))).job;
}

function eventOf(how: Ending, megapixels: number): JobEvent {
  const stage = { stage: "finish", epoch: 1, agent: AGENT } as const;
  switch (how) {
    case "succeeded": {
      const sha256 = "a".repeat(64);
      const image = {
        key: "result",
        sha256,
        bytes: 1,
        contentType: "image/png",
        width: 1_000,
        height: megapixels * 1_000,
      };
      const timings = { seconds: 1, modelSeconds: 1, loadSeconds: 0 };
      return {
        type: "completed",
        ...stage,
        outputs: { image },
        timings,
        warnings: [],
        can: { stages: [], models: [] },
      };
    }
    case "failed":
      return { type: "failed", ...stage, failure: "bad_image", message: "It is none." };
    case "canceled":
      return { type: "cancel-asked" };
    case "late":
      return { type: "due" };
  }
}

/** Jobs of a batch have no stage running yet: cancels them, or has their last stage run. */
export async function lease({ doors, clock }: Money, id: string): Promise<void> {
  const { job, rev } = await loadJob(doors.store, id);
  if (isTerminal(job.status) || job.status === "processing") return;
  const item = jobItem(nearlyDone(job, clock.now()));
  await doors.store.transact([{ op: "put", item, when: { rev } }]);
}

export async function rate({ doors }: Money, month = "2026-11", org = ORG): Promise<number> {
  return rateMonth(doors, { org, month });
}

/** One round over all money rows that are due. */
export async function sweepMoney({ doors, clock }: Money): Promise<void> {
  const rated = new Set<string>();
  for (let shard = 0; shard < INDEX_SHARDS; shard++) {
    const upTo = `${timeKey(clock.now())}$`;
    const page = await doors.store.nominate("due", duePartition("money", shard), { limit: 100, upTo });
    for (const key of page.rows.filter(isMoney))
      await handleMoney(doors, key, rated).catch((error: unknown) => {
        doors.log.warn("put_off", { key, error });
      });
  }
}

export const checked: MoneyWorld = { priceOf };
