import { Fault, invariant } from "#shared/domain/fault.ts";

/** A thing that is expensive to load and takes memory for as long as it stays: a model's session. */
export interface Loaded<T> {
  readonly value: T;
  /** Measured where it can be, else declared. */
  readonly bytes: number;
  /** Resolves when the memory has come back. */
  release(): Promise<void>;
}

export interface PoolOptions<T> {
  /** What all residents together may take. */
  readonly budgetBytes: number;
  /** What this one is expected to take, before it is loaded. */
  expectBytes(id: string): number;
  load(id: string): Promise<Loaded<T>>;
  /** Milliseconds; only to forget failed loads after a while. */
  now(): number;
  /** Called with the residents, most recently used first, after every load and eviction. */
  onChange?(hot: readonly string[]): void;
}

/** The right to use a resident; it is not evicted before this is disposed of. */
interface PoolLease<T> extends AsyncDisposable {
  readonly value: T;
  /** How long the holder waited for it; 0 when it was hot. Milliseconds. */
  readonly waitedMs: number;
}

export interface Pool<T> extends AsyncDisposable {
  /**
   * Loads unless resident, one load at a time and once for all who ask; evicts idle residents, least recently used
   * first, until it fits, and waits for leases to end where that is not enough.
   * @throws Fault input `memory_insufficient` when it would not even fit alone; what the load throws, and after
   * FAILED_LOADS_MAX failures within FAILED_LOADS_MS the last of them at once; the signal's reason.
   */
  take(id: string, signal: AbortSignal): Promise<PoolLease<T>>;
  /** Releases every resident that nobody holds, so that the memory may serve something larger. */
  evictIdle(): Promise<void>;
  /** Residents, most recently used first. */
  hot(): readonly string[];
  usedBytes(): number;
}

export const FAILED_LOADS_MAX = 3;
export const FAILED_LOADS_MS = 15 * 60_000;

interface Resident<T> {
  readonly loaded: Loaded<T>;
  leases: number;
}

/**
 * A budget of memory shared by many models, LRU. All decisions are taken synchronously, in one process: nothing read
 * before an `await` gates a change after it.
 */
export function createPool<T>(options: PoolOptions<T>): Pool<T> {
  const { budgetBytes } = options;
  /** Ordered by last use, the oldest first. */
  const residents = new Map<string, Resident<T>>();
  const loading = new Map<string, Promise<void>>();
  /** How many wait for a model: one that has just been loaded is theirs before it is anybody's to evict. */
  const wanted = new Map<string, number>();
  const failures = new Map<string, { readonly at: number[]; readonly error: unknown }>();
  /** Woken when something may have become evictable. */
  const wakeUps: (() => void)[] = [];
  /** Loads and evictions, one after the other. */
  let turn: Promise<unknown> = Promise.resolve();

  const used = (): number => [...residents.values()].reduce((sum, { loaded }) => sum + loaded.bytes, 0);
  const hot = (): string[] => [...residents.keys()].reverse();
  const inTurn = <R>(work: () => Promise<R>): Promise<R> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  };

  async function take(id: string, signal: AbortSignal): Promise<PoolLease<T>> {
    signal.throwIfAborted();
    const since = options.now();
    const hot = leaseResident(id, 0);
    if (hot !== undefined) return hot;
    wanted.set(id, (wanted.get(id) ?? 0) + 1);
    try {
      await unlessAborted(load(id), signal);
      const lease = leaseResident(id, options.now() - since);
      invariant(lease !== undefined, "what is waited for is not evicted");
      return lease;
    } finally {
      const others = (wanted.get(id) ?? 1) - 1;
      if (others > 0) wanted.set(id, others);
      else wanted.delete(id);
      wake();
    }
  }

  function wake(): void {
    for (const wakeUp of wakeUps.splice(0)) wakeUp();
  }

  function leaseResident(id: string, waitedMs: number): PoolLease<T> | undefined {
    const resident = residents.get(id);
    if (resident === undefined) return undefined;
    resident.leases += 1;
    residents.delete(id);
    residents.set(id, resident);
    let isHeld = true;
    return {
      value: resident.loaded.value,
      waitedMs,
      async [Symbol.asyncDispose]() {
        if (!isHeld) return;
        isHeld = false;
        resident.leases -= 1;
        wake();
      },
    };
  }

  /** One load for all who ask meanwhile. It is finished even if all of them have gone: the next one finds it hot. */
  function load(id: string): Promise<void> {
    const running = loading.get(id);
    if (running !== undefined) return running;
    const fresh = inTurn(() => loadNow(id)).finally(() => loading.delete(id));
    loading.set(id, fresh);
    return fresh;
  }

  async function loadNow(id: string): Promise<void> {
    const failed = recentFailures(id);
    if (failed !== undefined && failed.at.length >= FAILED_LOADS_MAX) throw failed.error;
    const need = options.expectBytes(id);
    if (need > budgetBytes) throw insufficient(id, need, budgetBytes);
    await makeRoom(need);
    try {
      const loaded = await options.load(id);
      residents.set(id, { loaded, leases: 0 });
      failures.delete(id);
    } catch (error) {
      failures.set(id, { at: [...(failed?.at ?? []), options.now()], error });
      throw error;
    }
    // It may have turned out larger than expected.
    await evictWhile(() => used() > budgetBytes);
    options.onChange?.(hot());
  }

  /** Looks and falls asleep in one step, so that no lease ends unnoticed between the two. */
  async function makeRoom(need: number): Promise<void> {
    while (used() + need > budgetBytes) {
      const id = oldestIdle();
      await (id === undefined ? new Promise<void>((resolve) => wakeUps.push(resolve)) : evict(id));
    }
  }

  /** Evicts idle residents, the oldest first, for as long as it is needed and there are any. */
  async function evictWhile(isNeeded: () => boolean): Promise<void> {
    for (let id = oldestIdle(); id !== undefined && isNeeded(); id = oldestIdle()) await evict(id);
  }

  function oldestIdle(): string | undefined {
    for (const [id, { leases }] of residents) if (leases === 0 && !wanted.has(id)) return id;
    return undefined;
  }

  async function evict(id: string): Promise<void> {
    const resident = residents.get(id);
    residents.delete(id);
    options.onChange?.(hot());
    await resident?.loaded.release();
  }

  function recentFailures(id: string): { at: number[]; error: unknown } | undefined {
    const failed = failures.get(id);
    if (failed === undefined) return undefined;
    return { ...failed, at: failed.at.filter((at) => options.now() - at < FAILED_LOADS_MS) };
  }

  return {
    take,
    hot,
    usedBytes: used,
    evictIdle: () => inTurn(() => evictWhile(() => true)),
    [Symbol.asyncDispose]: () => inTurn(() => evictWhile(() => true)),
  };
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const left = Promise.withResolvers<never>();
  const leave = (): void => left.reject(signal.reason);
  signal.addEventListener("abort", leave, { once: true });
  try {
    await Promise.race([promise, left.promise]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

function insufficient(id: string, need: number, budget: number): Fault {
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new Fault(
    "input",
    "memory_insufficient",
    `The model ${id} needs ${mebibytes(need)} and this agent may use ${mebibytes(budget)}.`,
  );
}
